"""Flags, what does not go together, and that --help needs no TensorFlow."""

import subprocess
import sys

import pytest

from apps.understanding.config import PRESETS, Config
from tests.apps.commands import ROOT


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_help_is_light(command):
    code = (
        f"import sys; sys.argv = ['x', '--help']\nimport apps.understanding.{command} as command\n"
        "try:\n    command.main()\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "assert not {'tensorflow', 'keras', 'keras_hub', 'matplotlib'} & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "--max-answer" in result.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "a", "vectors": "b"}, "do not go with --backbone"),
        ({"backbone": "a", "tokenizer": "words"}, "--tokenizer words does not go"),
        ({"freeze": True}, "--freeze keeps the weights of a --backbone"),
        ({"task": "ner", "multi_label": True}, "--multi-label goes with --task sentiment"),
        ({"attention": "linear"}, "--attention linear goes with --model transformer"),
        ({"dim": 10}, "--dim 10 must be even, and a multiple of --num-heads 4"),
        ({"task": "qa", "overlap": 250}, "--max-length 256 must be more than"),
        ({"dropout": 1.0}, "--dropout must be"),
        ({"epochs": 0}, "--epochs must be"),
    ],
)
def test_what_does_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_presets_are_of_their_task():
    tasks = {"sst2": "sentiment", "wnut17": "ner", "squad": "qa"}
    for name, preset in PRESETS.items():
        assert preset.task == tasks[name.split("-")[0]]
