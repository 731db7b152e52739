# Every target that runs Python stands on the environment in .venv, which is made once and
# brought up to date whenever a requirements file changes.

PYTHON3 ?= python3
ifndef BACKEND
BACKEND := $(or $(KERAS_BACKEND),tensorflow)
endif
# Of the target's own application, unless a run is given.
RUN ?= runs/$(lastword $(subst -, ,$@))/latest

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

train-% evaluate-% predict-%: export KERAS_BACKEND = $(BACKEND)

.DEFAULT_GOAL := help
.PHONY: setup train-captioning evaluate-captioning predict-captioning
.PHONY: train-vision evaluate-vision predict-vision
.PHONY: train-translation evaluate-translation predict-translation
.PHONY: train-summarization evaluate-summarization predict-summarization
.PHONY: train-speech evaluate-speech predict-speech
.PHONY: train-understanding evaluate-understanding predict-understanding
.PHONY: bench bench-vision bench-decoding bench-log-mel bench-whisper
.PHONY: test test-all test-backends lint format clean help

setup: $(READY) ## Install into .venv (GPU=1: CUDA builds; BACKEND=jax|torch: that backend too)

train-captioning: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--decoder transformer")
	$(PYTHON) -m apps.captioning.train $(if $(DATASET),--dataset "$(DATASET)") $(if $(NAME),--name "$(NAME)") $(ARGS)

evaluate-captioning: $(READY) ## Evaluate a run on its test split (RUN=runs/captioning/latest, ARGS=)
	$(PYTHON) -m apps.captioning.evaluate --run "$(RUN)" $(ARGS)

predict-captioning: $(READY) ## Caption an image or a folder of images (INPUT=, RUN=, ARGS=)
	$(if $(INPUT),,$(error INPUT is missing: make predict-captioning INPUT=photo.jpg))
	$(PYTHON) -m apps.captioning.predict --run "$(RUN)" --input "$(INPUT)" $(ARGS)

train-vision: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--attention linear")
	$(PYTHON) -m apps.vision.train $(if $(DATASET),--dataset "$(DATASET)") $(if $(NAME),--name "$(NAME)") $(ARGS)

evaluate-vision: $(READY) ## Evaluate a run on its test split (RUN=runs/vision/latest, ARGS=)
	$(PYTHON) -m apps.vision.evaluate --run "$(RUN)" $(ARGS)

predict-vision: $(READY) ## Classify an image or a folder of images (INPUT=, RUN=, ARGS=)
	$(if $(INPUT),,$(error INPUT is missing: make predict-vision INPUT=photo.jpg))
	$(PYTHON) -m apps.vision.predict --run "$(RUN)" --input "$(INPUT)" $(ARGS)

train-translation: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--source-file a.en --target-file a.de")
	$(PYTHON) -m apps.translation.train $(if $(DATASET),--dataset "$(DATASET)") $(if $(NAME),--name "$(NAME)") $(ARGS)

evaluate-translation: $(READY) ## Evaluate a run on its test split (RUN=runs/translation/latest, ARGS=)
	$(PYTHON) -m apps.translation.evaluate --run "$(RUN)" $(ARGS)

predict-translation: $(READY) ## Translate a text, a file line by line, or standard input (INPUT=, RUN=, ARGS=)
	@$(PYTHON) -m apps.translation.predict --run "$(RUN)" $(if $(INPUT),--input "$(INPUT)") $(ARGS)

train-summarization: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--model transformer")
	$(PYTHON) -m apps.summarization.train $(if $(DATASET),--dataset "$(DATASET)") $(if $(NAME),--name "$(NAME)") $(ARGS)

evaluate-summarization: $(READY) ## Evaluate a run on its test split (RUN=runs/summarization/latest, ARGS=)
	$(PYTHON) -m apps.summarization.evaluate --run "$(RUN)" $(ARGS)

predict-summarization: $(READY) ## Summarize a text, a file, or standard input (INPUT=, RUN=, ARGS=)
	@$(PYTHON) -m apps.summarization.predict --run "$(RUN)" $(if $(INPUT),--input "$(INPUT)") $(ARGS)

train-speech: $(READY) ## Train, evaluate, write attention maps (DATASET=, NAME=, ARGS="--decoder rnn")
	$(PYTHON) -m apps.speech.train $(if $(DATASET),--dataset "$(DATASET)") $(if $(NAME),--name "$(NAME)") $(ARGS)

evaluate-speech: $(READY) ## Evaluate a run on its test split (RUN=runs/speech/latest, ARGS=)
	$(PYTHON) -m apps.speech.evaluate --run "$(RUN)" $(ARGS)

predict-speech: $(READY) ## Transcribe an audio file or a folder of them (INPUT=, RUN=, ARGS=)
	$(if $(INPUT),,$(error INPUT is missing: make predict-speech INPUT=recording.wav))
	@$(PYTHON) -m apps.speech.predict --run "$(RUN)" --input "$(INPUT)" $(ARGS)

train-understanding: $(READY) ## Train, evaluate, write attention maps (TASK=sentiment|ner|qa, DATASET=, NAME=, ARGS=)
	$(PYTHON) -m apps.understanding.train $(if $(TASK),--task "$(TASK)") $(if $(DATASET),--dataset "$(DATASET)") $(if $(NAME),--name "$(NAME)") $(ARGS)

evaluate-understanding: $(READY) ## Evaluate a run on its test split (RUN=runs/understanding/latest, ARGS=)
	$(PYTHON) -m apps.understanding.evaluate --run "$(RUN)" $(ARGS)

predict-understanding: $(READY) ## Classify texts, tag entities or answer a question (INPUT=text, file, or standard input, QUESTION=, RUN=, ARGS=)
	@$(PYTHON) -m apps.understanding.predict --run "$(RUN)" $(if $(INPUT),--input "$(INPUT)") $(if $(QUESTION),--question "$(QUESTION)") $(ARGS)

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
	KERAS_BACKEND=jax $(PYTEST) -m "not slow" -k backends tests/apps
	KERAS_BACKEND=torch $(PYTEST) -m "not slow" -k backends tests/apps

bench: $(READY) $(VENV)/.installed-torch ## Measure time and memory of the layers, against Keras and PyTorch (ARGS=)
	$(PYTHON) -m benchmarks.layers --backend $(BACKEND) $(ARGS)

bench-vision: $(READY) $(VENV)/.installed-torch ## Measure training of a Vision Transformer, against KerasHub and PyTorch (ARGS=)
	$(PYTHON) -m benchmarks.vision $(ARGS)

bench-decoding: $(READY) $(VENV)/.installed-benchmarks ## Measure decoding with a Transformer, against Hugging Face (ARGS=)
	$(PYTHON) -m benchmarks.decoding $(ARGS)

bench-log-mel: $(READY) ## Measure log-mel spectrograms in tf.data, against librosa (ARGS=)
	$(PYTHON) -m benchmarks.log_mel $(ARGS)

bench-whisper: $(READY) ## Measure decoding with a pretrained Whisper, against a plain greedy loop (DATASET=folder, ARGS="--preset FOLDER")
	$(PYTHON) -m benchmarks.whisper $(if $(DATASET),--dataset "$(DATASET)") $(ARGS)

lint: $(BASE) ## Check style and formatting
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format: $(BASE) ## Fix style and formatting
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

clean: ## Remove caches and build output, not runs
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
	@$(INSTALL) $(call pin,jax) -c requirements.txt -c requirements-backends.txt || $(PIP) install $(call pin,jax)
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
	@$(INSTALL) '$(subst ==,[cuda12]==,$(call pin,jax))'
	@touch $@

$(VENV)/.installed-%:
	$(error BACKEND is tensorflow, jax or torch, not '$(BACKEND)')
