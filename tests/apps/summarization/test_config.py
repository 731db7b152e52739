import json
import os
import subprocess
import sys
from dataclasses import asdict, fields, replace

import pytest

from apps.summarization.config import PRESETS, Config, Decoding, Evaluation, Prediction
from pipelines.commands import flags
from pipelines.metrics import rouge
from tests.apps.summarization.tiny import ROOT

COMMANDS = {"train": Config, "evaluate": Evaluation, "predict": Prediction}

HELP = """
import sys
from apps.summarization import {command}
try:
    {command}.main(["--help"])
finally:
    slow = ("tensorflow", "keras", "jax", "torch", "numpy", "nltk", "rouge_score", "tokenizers")
    print("imported", *(name for name in slow if name in sys.modules))
"""


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


def test_the_monitors_are_what_rouge_scores():
    choices = {field.name: field.type for field in fields(Config)}
    assert set(choices["monitor"].__args__) == rouge.score(["a"], ["a"]).keys()


def test_a_configuration_survives_json():
    config = Config(attention="luong_general", model="rnn", vectors="a", name="b")
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_preset_is_overridden_by_flags():
    flags = ["--preset", "aeslc", "--epochs", "2", "--no-coverage"]
    config = flags.parse(Config, flags, presets=PRESETS)
    assert config == replace(PRESETS["aeslc"], epochs=2, coverage=False)
    assert (config.model, config.mechanism) == ("rnn", "additive")


@pytest.mark.parametrize(
    ("settings", "covers"),
    [
        ({}, True),
        ({"copy": False}, True),
        ({"coverage": False}, False),
        ({"coverage_epochs": 0}, False),
        ({"coverage_weight": 0.0}, False),
    ],
)
def test_whether_there_is_a_stage_with_coverage(settings, covers):
    assert Config(**settings).covers == covers


def test_vectors_are_of_words():
    with pytest.raises(ValueError, match="--vectors are of words: they go with --tokenizer words"):
        Config(vectors="a", tokenizer="subwords")


def test_decoding_replaces_what_it_is_given():
    config = Config(dataset="a", beams=3, seed=7, no_repeat_ngram=3)
    decoding = Decoding(run="x", decode="sample", top_k=4, no_repeat_ngram=0)
    expected = {**asdict(config), "decode": "sample", "top_k": 4, "no_repeat_ngram": 0}
    assert asdict(flags.override(config, decoding)) == expected
    assert flags.override(config, Evaluation(dataset="b")) == replace(config, dataset="b")
