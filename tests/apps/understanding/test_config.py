"""Flags, what does not go together, and that --help needs no TensorFlow."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from apps.understanding.config import PRESETS, Config, Evaluation, Prediction
from pipelines.commands import flags
from tests.apps.commands import ROOT
from tests.apps.contract import Help
from tests.apps.understanding import tiny


class TestHelp(Help):
    application = "understanding"


def test_a_mistake_in_the_input_is_found_before_anything_slow_is_imported(tmp_path):
    (tmp_path / "config.json").write_text('{"task": "qa"}')
    (tmp_path / "model.keras").touch()
    code = (
        "import sys\nfrom apps.understanding import predict\n"
        f"try:\n    predict.main(['--run', {str(tmp_path)!r}, '--input', 'a'])\n"
        "except SystemExit as exit:\n    print(exit.code)\n"
        "print([name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout == "2\n[]\n"
    assert result.stderr.startswith("error: --question is missing")


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


def test_each_task_has_its_own_epochs_and_batches():
    expected = {"sentiment": (12, 1024), "ner": (6, 1024), "qa": (2, 2048)}
    assert list(expected) == list(tiny.TASKS)
    for task, (epochs, tokens) in expected.items():
        config = Config(task=task)
        assert (config.epochs, config.passes) == (None, epochs)
        assert (config.tokens_per_batch, config.batch_tokens) == (None, tokens)
        given = Config(task=task, epochs=3, tokens_per_batch=64)
        assert (given.passes, given.batch_tokens) == (3, 64)


def test_presets_are_of_their_task():
    tasks = {"sst2": "sentiment", "wnut17": "ner", "squad": "qa"}
    for name, preset in PRESETS.items():
        assert preset.task == tasks[name.split("-")[0]]


def test_a_preset_is_overridden_by_flags():
    words = ["--preset", "squad-minilm", "--epochs", "1", "--backbone", "a"]
    config = flags.parse(Config, words, presets=PRESETS)
    assert asdict(config) == {**asdict(PRESETS["squad-minilm"]), "epochs": 1, "backbone": "a"}


def test_a_configuration_survives_json():
    config = Config(task="qa", matching="additive", vectors="a", name="c")
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_decoding_replaces_what_it_is_given():
    config = Config(task="qa", dataset="a", data_dir="b")
    asked = Prediction(run="x", input="y", max_answer=4)
    assert asdict(flags.override(config, asked)) == {**asdict(config), "max_answer": 4}
    asked = Evaluation(dataset="c")
    assert asdict(flags.override(config, asked)) == {**asdict(config), "dataset": "c"}
