import json
import os
import subprocess
import sys
from dataclasses import asdict, fields, replace

import pytest

import layers
from apps.vision.config import PRESETS, SIZES, Config, Evaluation, Prediction
from pipelines.commands import flags
from pipelines.commands.mechanisms import MECHANISMS
from tests.apps.commands import ROOT

COMMANDS = {"train": Config, "evaluate": Evaluation, "predict": Prediction}

HELP = """
import sys
from apps.vision import {command}
try:
    {command}.main(["--help"])
finally:
    slow = ("tensorflow", "keras", "jax", "torch", "numpy", "PIL", "sklearn", "matplotlib")
    print("imported", *(name for name in slow if name in sys.modules))
"""


def test_the_mechanisms_are_those_of_the_layers():
    assert list(MECHANISMS) == layers.mechanisms()


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


class TestSizes:
    @pytest.mark.parametrize("model", SIZES)
    @pytest.mark.parametrize("size", ["nano", "tiny", "small", "base"])
    def test_a_size_gives_what_is_not_given(self, model, size):
        config = Config(model=model, size=size).resolved
        found = (config.dim, config.depth, config.num_heads, config.mlp_ratio)
        assert found == SIZES[model][size]
        assert config.pool == {"vit": "token", "compact": "attention"}[model]
        assert config.resolved is config

    def test_what_is_given_stands(self):
        config = Config(model="vit", size="small", depth=3, pool="mean").resolved
        assert (config.dim, config.depth, config.num_heads, config.pool) == (384, 3, 6, "mean")

    def test_a_size_given_with_a_preset_counts(self):
        flags = ["--preset", "cifar10", "--size", "base"]
        config = flags.parse(Config, flags, presets=PRESETS)
        assert config == replace(PRESETS["cifar10"], size="base")
        assert config.resolved.dim == SIZES["compact"]["base"][0]


def test_a_configuration_survives_json():
    config = Config(attention="linear", image_size=24, name="a").resolved
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_finished_run_is_used_as_it_was_configured():
    config = Config(dataset="a", batch_size=3, device="gpu")
    assert flags.override(config, Prediction(input="x")) == replace(config, device="auto")
    given = Evaluation(dataset="b", batch_size=5, device="gpu")
    assert flags.override(config, given) == replace(config, dataset="b", batch_size=5)
