"""Options that configurations are put together of, and the help they make."""

import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import pytest

from pipelines.commands import flags, options
from pipelines.commands.ranges import at_least, within


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """A model."""

    GROUP: ClassVar = "model"
    RANGES: ClassVar = {at_least(8): "dim"}

    dim: int = 16
    """Model size D."""


@dataclass(frozen=True, kw_only=True)
class Training(options.Training):
    """Its training."""

    RANGES: ClassVar = {within("(0, 1]"): "share"}

    share: float = 0.5
    """Share of the examples."""
    epochs: int = 3


@dataclass(frozen=True, kw_only=True)
class Config(options.Data, Model, Training, options.Decoding, options.Run):
    """Trains."""

    dataset: str = "digits"
    learning_rate: float = 2e-3
    """Peak, and larger than elsewhere."""


Overrides = options.overrides(Config, "seed")


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, Overrides, options.FinishedRun):
    """Evaluates."""

    run: str = "runs/app/latest"
    extra: str | None = None
    """Of this command alone."""


def help_of(config_class, capsys):
    """The text of `--help`: each group's flags, and all words."""
    with pytest.raises(SystemExit):
        flags.parse(config_class, ["--help"], prog="app")
    text = capsys.readouterr().out
    groups, group = {}, None
    for line in text.splitlines():
        if heading := re.match(r"\W{1,3}(\w+)(?: options)?\W*$", line):
            group = groups.setdefault(heading[1], [])
        elif flag := re.match(r"\W{1,4}--([a-z][\w-]*)", line):
            group.append(flag[1])
    return groups, " ".join(text.replace("│", " ").split())


def test_the_ranges_of_all_parts_hold():
    Config(dim=8, share=1.0)
    for name, value, words in (
        ("dim", 7, "at least 8"),
        ("share", 0.0, "in (0, 1]"),
        ("epochs", 0, "at least 1"),
        ("ema", 1.0, "in [0, 1)"),
        ("beams", 0, "at least 1"),
        ("max_train", 0, "at least 1"),
    ):
        flag = name.replace("_", "-")
        with pytest.raises(ValueError, match=re.escape(f"--{flag} must be {words}, not {value}")):
            Config(**{name: value})


def test_help_is_in_groups_and_documents_what_is_declared_again(capsys):
    groups, words = help_of(Config, capsys)
    assert list(groups) == ["options", "data", "model", "training", "decoding", "run", "cluster"]
    assert groups["data"] == ["dataset", "data-dir", "max-train", "max-skipped"]
    assert groups["model"] == ["dim"]
    assert groups["training"][:2] == ["epochs", "learning-rate"]
    assert groups["training"][-1] == "share"
    assert groups["decoding"][:2] == ["decode", "beams"]
    assert groups["run"] == ["name", "seed", "precision", "device", "op-threads", "cache-size"]
    assert "Passes over the training examples. (default: 3)" in words
    assert "Peak, and larger than elsewhere. (default: 0.002)" in words
    assert "A built-in set" in words and "(default: digits)" in words
    assert "{None}" not in words and "default: None" not in words


def test_overrides_have_every_field_of_decoding_none_of_them_given(capsys):
    names = [field.name for field in fields(Overrides)]
    assert names == [*(field.name for field in fields(options.Decoding)), "seed"]
    assert set(vars(Overrides()).values()) == {None}
    groups, words = help_of(Evaluation, capsys)
    assert list(groups) == ["options", "data", "decoding", "run", "cluster"]
    assert groups["data"] == ["split", "dataset", "data-dir", "max-skipped", "extra"]
    assert groups["run"] == ["run", "device", "cache-size", "name", "output"]
    assert "--beams INT Beam width. (default: as in the run)" in words
    assert "Another data set than the run's own" in words
    with pytest.raises(ValueError, match="--beams must be at least 1, not 0"):
        Evaluation(beams=0)
    given = flags.parse(Evaluation, ["--beams", "7", "--top-k", "5", "--split", "validation"])
    expected = Config(beams=7, top_k=5, dim=24)
    assert flags.override(Config(dim=24), given) == expected


def test_every_shared_option_is_documented(capsys):
    for name in ("Data", "Training", "Decoding", "Run", "FinishedRun", "EvaluationData"):
        cls = getattr(options, name)
        documents = flags._documents(cls)
        for field in fields(cls):
            text = documents[field.name]
            assert text[0].isupper() and text.endswith("."), (name, field.name)


def test_options_load_nothing_slow():
    code = (
        "import sys; from pipelines.commands import flags, options, text_to_text; "
        "print({'keras', 'tensorflow', 'numpy', 'layers'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (found.stdout, found.returncode) == ("set()\n", 0)
