# Every target that runs Python stands on the environment in .venv, which is made once and
# brought up to date whenever a requirements file changes.

PYTHON3 ?= python3
ifndef BACKEND
BACKEND := $(or $(KERAS_BACKEND),tensorflow)
endif

# What is typed here reaches Python through the environment, as it stands: neither make nor the
# shell expands it. ARGS alone is words for the shell.
TYPED := DATASET INPUT NAME OUTPUT QUESTION RUN TASK
ifneq ($(origin NAME),command line)
override NAME := # Windows Subsystem for Linux has one in the environment, the machine's.
endif
$(foreach variable,$(TYPED),$(eval override $(variable) := $$(value $(variable))))
export $(TYPED)
given = $(if $($(1)),"--$(2)=$$$(1)")
data_and_name = $(call given,DATASET,dataset) $(call given,NAME,name)
run = "--run=$${RUN:-runs/$(lastword $(subst -, ,$@))/latest}"

# Before anything is installed.
ifndef RUN
$(foreach goal,$(filter resume-%,$(MAKECMDGOALS)),\
    $(error RUN is missing: make $(goal) RUN=runs/$(goal:resume-%=%)/NAME))
endif
ifndef INPUT
$(foreach goal,$(filter predict-captioning predict-vision,$(MAKECMDGOALS)),\
    $(error INPUT is missing: make $(goal) INPUT=photo.jpg))
$(foreach goal,$(filter predict-speech,$(MAKECMDGOALS)),\
    $(error INPUT is missing: make $(goal) INPUT=recording.wav))
endif

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check
UV := uv==0.13.9
INSTALL := $(PYTHON) -m uv pip install --python $(PYTHON) --compile-bytecode
# A process a core; each holds a backend, so no more than memory carries.
PYTEST := $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

# One stamp per set of packages. It is written last, so an interrupted install is done again.
BASE := $(VENV)/.installed-tensorflow
READY := $(VENV)/.installed-$(BACKEND)$(if $(filter-out 0,$(GPU)),-gpu)
pin = $(shell grep -hE '^$(1)==' requirements.txt requirements-backends.txt)

train-% resume-% prepare-% evaluate-% predict-%: export KERAS_BACKEND = $(BACKEND)

.DEFAULT_GOAL := help
.PHONY: setup train-captioning resume-captioning prepare-captioning evaluate-captioning predict-captioning
.PHONY: train-vision resume-vision prepare-vision evaluate-vision predict-vision
.PHONY: train-translation resume-translation prepare-translation evaluate-translation predict-translation
.PHONY: train-summarization resume-summarization prepare-summarization evaluate-summarization predict-summarization
.PHONY: train-speech resume-speech prepare-speech evaluate-speech predict-speech
.PHONY: train-understanding resume-understanding prepare-understanding evaluate-understanding predict-understanding
.PHONY: bench bench-vision bench-decoding bench-log-mel bench-whisper
.PHONY: test test-all test-backends lint format clean clean-cache help

setup: $(READY) ## Install into .venv (GPU=1: CUDA builds; BACKEND=jax|torch: that backend too)

train-captioning: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--decoder transformer")
	$(PYTHON) -m apps.captioning.train $(data_and_name) $(ARGS)

resume-captioning: $(READY) ## Go on with a run that was killed, or train a finished one further (RUN=, ARGS="--epochs 40")
	$(PYTHON) -m apps.captioning.train $(call given,RUN,resume) $(ARGS)

prepare-captioning: $(READY) ## Write examples once, for data larger than memory (DATASET=, OUTPUT=folder, ARGS=)
	$(PYTHON) -m apps.captioning.prepare $(call given,DATASET,dataset) $(call given,OUTPUT,output) $(ARGS)

evaluate-captioning: $(READY) ## Evaluate a run on a test split (RUN=runs/captioning/latest, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.captioning.evaluate $(run) $(data_and_name) $(ARGS)

predict-captioning: $(READY) ## Caption an image or a folder of images (INPUT=, RUN=, ARGS=)
	$(PYTHON) -m apps.captioning.predict $(run) $(call given,INPUT,input) $(ARGS)

train-vision: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--attention linear")
	$(PYTHON) -m apps.vision.train $(data_and_name) $(ARGS)

resume-vision: $(READY) ## Go on with a run that was killed, or train a finished one further (RUN=, ARGS="--epochs 40")
	$(PYTHON) -m apps.vision.train $(call given,RUN,resume) $(ARGS)

prepare-vision: $(READY) ## Write examples once, for data larger than memory (DATASET=, OUTPUT=folder, ARGS=)
	$(PYTHON) -m apps.vision.prepare $(call given,DATASET,dataset) $(call given,OUTPUT,output) $(ARGS)

evaluate-vision: $(READY) ## Evaluate a run on a test split (RUN=runs/vision/latest, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.vision.evaluate $(run) $(data_and_name) $(ARGS)

predict-vision: $(READY) ## Classify an image or a folder of images (INPUT=, RUN=, ARGS=)
	$(PYTHON) -m apps.vision.predict $(run) $(call given,INPUT,input) $(ARGS)

train-translation: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--source-file a.en --target-file a.de")
	$(PYTHON) -m apps.translation.train $(data_and_name) $(ARGS)

resume-translation: $(READY) ## Go on with a run that was killed, or train a finished one further (RUN=, ARGS="--epochs 40")
	$(PYTHON) -m apps.translation.train $(call given,RUN,resume) $(ARGS)

prepare-translation: $(READY) ## Write examples once, for data larger than memory (DATASET=, OUTPUT=folder, ARGS=)
	$(PYTHON) -m apps.translation.prepare $(call given,DATASET,dataset) $(call given,OUTPUT,output) $(ARGS)

evaluate-translation: $(READY) ## Evaluate a run on a test split (RUN=runs/translation/latest, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.translation.evaluate $(run) $(data_and_name) $(ARGS)

predict-translation: $(READY) ## Translate a text, a file line by line, or standard input (INPUT=, RUN=, ARGS=)
	@$(PYTHON) -m apps.translation.predict $(run) $(call given,INPUT,input) $(ARGS)

train-summarization: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--model transformer")
	$(PYTHON) -m apps.summarization.train $(data_and_name) $(ARGS)

resume-summarization: $(READY) ## Go on with a run that was killed, or train a finished one further (RUN=, ARGS="--epochs 40")
	$(PYTHON) -m apps.summarization.train $(call given,RUN,resume) $(ARGS)

prepare-summarization: $(READY) ## Write examples once, for data larger than memory (DATASET=, OUTPUT=folder, ARGS=)
	$(PYTHON) -m apps.summarization.prepare $(call given,DATASET,dataset) $(call given,OUTPUT,output) $(ARGS)

evaluate-summarization: $(READY) ## Evaluate a run on a test split (RUN=runs/summarization/latest, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.summarization.evaluate $(run) $(data_and_name) $(ARGS)

predict-summarization: $(READY) ## Summarize a text, a file, or standard input (INPUT=, RUN=, ARGS=)
	@$(PYTHON) -m apps.summarization.predict $(run) $(call given,INPUT,input) $(ARGS)

train-speech: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--decoder rnn")
	$(PYTHON) -m apps.speech.train $(data_and_name) $(ARGS)

resume-speech: $(READY) ## Go on with a run that was killed, or train a finished one further (RUN=, ARGS="--epochs 40")
	$(PYTHON) -m apps.speech.train $(call given,RUN,resume) $(ARGS)

prepare-speech: $(READY) ## Write examples once, for data larger than memory (DATASET=, OUTPUT=folder, ARGS=)
	$(PYTHON) -m apps.speech.prepare $(call given,DATASET,dataset) $(call given,OUTPUT,output) $(ARGS)

evaluate-speech: $(READY) ## Evaluate a run on a test split (RUN=runs/speech/latest, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.speech.evaluate $(run) $(data_and_name) $(ARGS)

predict-speech: $(READY) ## Transcribe an audio file or a folder of them (INPUT=, RUN=, ARGS=)
	@$(PYTHON) -m apps.speech.predict $(run) $(call given,INPUT,input) $(ARGS)

train-understanding: $(READY) ## Train, evaluate, write attention maps (TASK=sentiment|ner|qa, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.understanding.train $(call given,TASK,task) $(data_and_name) $(ARGS)

resume-understanding: $(READY) ## Go on with a run that was killed, or train a finished one further (RUN=, ARGS="--epochs 40")
	$(PYTHON) -m apps.understanding.train $(call given,RUN,resume) $(ARGS)

prepare-understanding: $(READY) ## Write examples once, for data larger than memory (TASK=, DATASET=, OUTPUT=folder, ARGS=)
	$(PYTHON) -m apps.understanding.prepare $(call given,TASK,task) $(call given,DATASET,dataset) $(call given,OUTPUT,output) $(ARGS)

evaluate-understanding: $(READY) ## Evaluate a run on a test split (RUN=runs/understanding/latest, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.understanding.evaluate $(run) $(data_and_name) $(ARGS)

predict-understanding: $(READY) ## Classify texts, tag entities or answer a question (INPUT=text, file, or standard input, QUESTION=, RUN=, ARGS=)
	@$(PYTHON) -m apps.understanding.predict $(run) $(call given,INPUT,input) $(call given,QUESTION,question) $(ARGS)

test: $(BASE) ## Run the fast tests on TensorFlow
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow" tests

test-all: $(VENV)/.installed-jax $(VENV)/.installed-torch ## Run all tests, including slow ones, and the layer tests on JAX and PyTorch
	KERAS_BACKEND=tensorflow $(PYTEST) tests
	KERAS_BACKEND=jax $(PYTEST) tests/layers
	KERAS_BACKEND=torch $(PYTEST) tests/layers

test-backends: $(VENV)/.installed-jax $(VENV)/.installed-torch ## Run layers and models on JAX and PyTorch, and layers against plain PyTorch
	KERAS_BACKEND=jax $(PYTEST) -m "not slow" tests/layers
	KERAS_BACKEND=torch $(PYTEST) -m "not slow" tests/layers
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow" -k torch tests/layers
	KERAS_BACKEND=jax $(PYTEST) -m "not slow" -k backends tests/apps tests/pipelines/training
	KERAS_BACKEND=torch $(PYTEST) -m "not slow" -k backends tests/apps tests/pipelines/training

bench: $(READY) $(VENV)/.installed-torch ## Measure time and memory of the layers, against Keras and PyTorch (ARGS=)
	$(PYTHON) -m benchmarks.layers --backend $(BACKEND) $(ARGS)

bench-vision: $(READY) $(VENV)/.installed-torch ## Measure training of a Vision Transformer, against KerasHub and PyTorch (ARGS=)
	$(PYTHON) -m benchmarks.vision $(ARGS)

bench-decoding: $(READY) $(VENV)/.installed-benchmarks ## Measure decoding with a Transformer, against Hugging Face (ARGS=)
	$(PYTHON) -m benchmarks.decoding $(ARGS)

bench-log-mel: $(READY) ## Measure log-mel spectrograms in tf.data, against librosa (ARGS=)
	$(PYTHON) -m benchmarks.log_mel $(ARGS)

bench-whisper: $(READY) ## Measure decoding with a pretrained Whisper, against a plain greedy loop (DATASET=folder, ARGS="--preset FOLDER")
	$(PYTHON) -m benchmarks.whisper $(call given,DATASET,dataset) $(ARGS)

lint: $(BASE) ## Check style and formatting
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format: $(BASE) ## Fix style and formatting
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

clean-cache: $(READY) ## Remove cached data sets, images and features, and tell what that frees (ARGS=--keep only tells)
	@$(PYTHON) -m pipelines.data.caches.clean $(ARGS)

clean: ## Remove build output, not runs or cached data
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BASE): requirements.txt requirements-dev.txt
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON3) is too old: Python 3.11 or newer is needed (PYTHON3=path)")'
	@test -e $@ && $(PYTHON) -m uv --version >/dev/null 2>&1 || { $(PYTHON3) -m venv --clear $(VENV) && $(PIP) install -qq $(UV); }
	@$(INSTALL) -r requirements-dev.txt || $(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-jax: $(BASE) requirements-backends.txt
	@$(INSTALL) $(call pin,jax) $(call pin,orbax-checkpoint) -c requirements.txt -c requirements-backends.txt || $(PIP) install $(call pin,jax) $(call pin,orbax-checkpoint)
	@touch $@

# pip rather than uv: it honours the links and extra indexes where CPU builds of torch are kept.
$(VENV)/.installed-torch $(VENV)/.installed-torch-gpu: $(BASE) requirements-backends.txt
	@$(PIP) install $(call pin,torch) -c requirements-backends.txt
	@touch $@

$(VENV)/.installed-benchmarks: $(VENV)/.installed-torch requirements-benchmarks.txt
	@$(INSTALL) -r requirements-benchmarks.txt || $(PIP) install -r requirements-benchmarks.txt
	@touch $@

$(VENV)/.installed-tensorflow-gpu: $(BASE)
	@$(INSTALL) '$(subst ==,[and-cuda]==,$(call pin,tensorflow))'
	@touch $@

$(VENV)/.installed-jax-gpu: $(BASE) requirements-backends.txt
	@$(INSTALL) '$(subst ==,[cuda12]==,$(call pin,jax))' $(call pin,orbax-checkpoint)
	@touch $@

$(VENV)/.installed-%:
	$(error BACKEND is tensorflow, jax or torch, not '$(BACKEND)')
