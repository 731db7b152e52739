import json
import os
import subprocess
import sys
from dataclasses import asdict, fields, replace

import pytest

import layers
from apps.translation.config import PRESETS, Config, Evaluation, Prediction
from pipelines.commands import flags
from pipelines.commands.mechanisms import MECHANISMS
from pipelines.metrics.translation_scores import TOKENIZERS
from tests.apps.translation.tiny import ROOT

COMMANDS = {"train": Config, "evaluate": Evaluation, "predict": Prediction}

HELP = """
import sys
from apps.translation import {command}
try:
    {command}.main(["--help"])
finally:
    slow = ("tensorflow", "keras", "jax", "torch", "numpy", "sacrebleu", "tokenizers", "babel")
    print("imported", *(name for name in slow if name in sys.modules))
"""


def test_the_choices_are_those_of_layers_and_scorers():
    assert list(MECHANISMS) == layers.mechanisms()
    choices = {field.name: field.type for field in fields(Config)}
    assert choices["bleu_tokenize"].__args__ == TOKENIZERS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_quick_and_documents_every_field(command):
    before = os.times()
    result = subprocess.run(
        [sys.executable, "-c", HELP.format(command=command)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert (result.returncode, result.stderr) == (0, "")
    # Of the processor: a busy machine takes longer by the clock.
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    assert used < 1.0
    *text, imported = result.stdout.splitlines()
    assert imported == "imported"
    words = " ".join(text).replace(",", " ").split()
    for field in fields(COMMANDS[command]):
        flag = field.name.replace("_", "-")
        assert f"--{flag}" in words, flag


def test_a_configuration_survives_json():
    config = Config(attention="luong_general", source_file="a", target_file="b", name="c")
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_preset_is_overridden_by_flags():
    words = ["--preset", "multi30k-rnn", "--epochs", "2", "--source-file", "a"]
    config = flags.parse(Config, [*words, "--target-file", "b"], presets=PRESETS)
    expected = replace(PRESETS["multi30k-rnn"], epochs=2, source_file="a", target_file="b")
    assert config == expected
    assert (config.model, config.mechanism) == ("rnn", "additive")


def test_files_to_test_on_go_with_that_split():
    with pytest.raises(ValueError, match="--test-source-file goes with --split test"):
        Evaluation(split="validation", test_source_file="a", test_target_file="b")


def test_the_files_of_each_split():
    assert Config().files == dict.fromkeys(("train", "validation", "test"), (None, None))
    config = Config(source_file="a", target_file="b", test_source_file="c", test_target_file="d")
    assert config.files == {"train": ("a", "b"), "validation": (None, None), "test": ("c", "d")}


def test_decoding_replaces_what_it_is_given():
    config = Config(dataset="a", beams=3, decode="beam", seed=7, data_dir="c")
    decoding = Prediction(run="x", decode="sample", top_k=4, max_target=9)
    expected = {**asdict(config), "decode": "sample", "top_k": 4, "max_target": 9}
    assert asdict(flags.override(config, decoding)) == expected
    files = {"test_source_file": "d", "test_target_file": "e"}
    assert flags.override(config, Evaluation(**files)) == replace(config, **files)


def test_files_and_languages_belong_to_one_data_set():
    files = [
        f"{split}{side}_file"
        for split in ("", "validation_", "test_")
        for side in ("source", "target")
    ]
    config = Config(epochs=3, **{name: name for name in files})
    assert config.without_data() == Config(epochs=3)
    config = Config(dataset="tfds:a", source_language="de", target_language="en")
    assert config.without_data() == Config(dataset="tfds:a")
