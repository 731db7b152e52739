"""What a user types on the command line of make reaches Python as it stands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Prints its arguments in place of running them.
SCRIPT = "import json, sys; print(json.dumps(sys.argv[1:]))"
PYTHON = f"""#!/bin/sh\nexec '{sys.executable}' -SIc '{SCRIPT}' "$@"\n"""
HOSTILE = "$HOME ${X} $$ $(shell touch made) `touch made` \"double\" 'single' \\ # ; a,b) % é"


@pytest.fixture
def make(tmp_path):
    """Runs a target in a folder with an environment that is installed already."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for requirements in ROOT.glob("requirements*.txt"):
        shutil.copy(requirements, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    installed = tmp_path / ".venv" / ".installed-tensorflow"
    installed.touch()

    def make(*words, **environment):
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        result = subprocess.run(
            ["make", "--silent", *words],
            cwd=tmp_path,
            env={**kept, **environment},
            capture_output=True,
            text=True,
        )
        assert not (tmp_path / "made").exists()
        return result

    make.installed = installed
    return make


def arguments(result):
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("target", "variables"),
    [
        ("predict-translation", {"input": HOSTILE, "run": HOSTILE}),
        ("predict-summarization", {"input": "two\nlines"}),
        ("predict-vision", {"input": "--help"}),
        ("predict-understanding", {"input": HOSTILE, "question": f"Who? {HOSTILE}"}),
        ("train-understanding", {"task": HOSTILE, "dataset": HOSTILE, "name": HOSTILE}),
        ("train-captioning", {"dataset": "a folder", "name": "-x"}),
        ("evaluate-speech", {"run": "$x", "dataset": HOSTILE, "name": "b"}),
        ("bench-whisper", {"dataset": HOSTILE}),
    ],
)
def test_text_is_neither_changed_nor_run(make, target, variables):
    found = arguments(make(target, *(f"{name.upper()}={text}" for name, text in variables.items())))
    texts = dict(word.removeprefix("--").split("=", 1) for word in found[2:])
    if target.startswith(("predict", "evaluate")):
        variables = {"run": f"runs/{target.partition('-')[2]}/latest", **variables}
    assert texts == variables


def test_text_may_come_from_the_environment_too(make):
    found = arguments(make("predict-translation", INPUT=HOSTILE))
    assert found[3:] == [f"--input={HOSTILE}"]
    # Which Windows Subsystem for Linux sets to the name of the machine.
    assert arguments(make("train-vision", NAME="machine")) == ["-m", "apps.vision.train"]


def test_further_arguments_are_words_of_the_shell(make):
    found = arguments(make("train-speech", """ARGS=--epochs 3 --preset 'a b'"""))
    assert found == ["-m", "apps.speech.train", "--epochs", "3", "--preset", "a b"]


@pytest.mark.parametrize("application", ["captioning", "vision", "speech"])
def test_a_missing_input_is_told_before_anything_is_installed(make, application):
    make.installed.unlink()
    result = make(f"predict-{application}")
    assert result.returncode == 2 and result.stdout == ""
    assert f"INPUT is missing: make predict-{application} INPUT=" in result.stderr


def test_texts_come_from_standard_input_where_none_is_given(make):
    found = arguments(make("predict-translation"))
    assert found == ["-m", "apps.translation.predict", "--run=runs/translation/latest"]
