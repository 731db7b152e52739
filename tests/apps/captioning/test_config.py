import json
import os
import subprocess
import sys
from dataclasses import asdict, fields, replace

import pytest

import layers
from apps.captioning.config import PRESETS, Config, Evaluation, Prediction
from pipelines.commands import flags
from pipelines.commands.mechanisms import MECHANISMS
from tests.apps.captioning.tiny import ROOT

COMMANDS = {"train": Config, "evaluate": Evaluation, "predict": Prediction}

HELP = """
import sys
from apps.captioning import {command}
try:
    {command}.main(["--help"])
finally:
    slow = ("tensorflow", "keras", "jax", "torch", "numpy", "PIL", "tokenizers")
    print("imported", *(name for name in slow if name in sys.modules))
"""


def test_the_mechanisms_are_those_of_the_layers():
    assert set(MECHANISMS) < set(layers.mechanisms())


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


def test_the_mechanism_goes_with_the_decoder():
    assert Config(decoder="rnn").mechanism == "additive"
    assert Config(decoder="transformer").mechanism == "multi_head"
    assert Config(decoder="rnn", attention="luong_dot").mechanism == "luong_dot"
    assert Config(decoder="transformer", attention="additive").mechanism == "additive"


@pytest.mark.parametrize("mechanism", ["local", "block_sparse"])
def test_words_need_a_mechanism_that_looks_elsewhere(mechanism):
    with pytest.raises(ValueError, match=f"--attention {mechanism} is self-attention"):
        Config(decoder="transformer", attention=mechanism)


@pytest.mark.parametrize("mechanism", ["multi_head", "grouped_query", "multi_query", "linear"])
def test_heads_do_not_fit_the_recurrent_decoder(mechanism):
    with pytest.raises(ValueError, match=f"--attention {mechanism} has heads"):
        Config(decoder="rnn", attention=mechanism)


def test_features_are_those_of_a_frozen_backbone():
    assert Config(backbone="a").has_features
    assert not Config(backbone="a", fine_tune=True).has_features
    assert not Config().has_features


def test_a_configuration_survives_json():
    config = Config(attention="luong_general", top_k=5, name="a")
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_preset_is_overridden_by_flags():
    words = ["--preset", "flickr8k-transformer", "--epochs", "2", "--no-flip"]
    config = flags.parse(Config, words, presets=PRESETS)
    assert config == replace(PRESETS["flickr8k-transformer"], epochs=2, flip=False)


def test_decoding_replaces_what_it_is_given():
    config = Config(dataset="a", beams=3, decode="beam", seed=7, data_dir="c")
    decoding = Prediction(input="y", decode="sample", top_k=4, decode_batch_size=2)
    changed = flags.override(config, decoding)
    expected = {**asdict(config), "decode": "sample", "top_k": 4, "decode_batch_size": 2}
    assert asdict(changed) == expected
    assert flags.override(config, Evaluation(dataset="b")) == replace(config, dataset="b")
