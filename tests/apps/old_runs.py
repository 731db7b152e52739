"""Runs that an earlier version of the code made, and what it answered."""

import contextlib
import importlib
import io
import json
import re
import shutil
import textwrap

import pytest

from tests.apps.commands import ROOT, flags

RUNS = ROOT / "tests" / "fixtures" / "runs"
# What an answer is called in the results of today.
FIELDS = ("text", "label", "tags", "answer")


def copied(name, folder):
    """An old run alone, as it comes to another machine, and what is known of it."""
    run = shutil.copytree(RUNS / name, folder / name)
    return run, json.loads((run / "expected.json").read_text("utf-8"))


def assert_answers_as_before(application, name, inference, inputs, folder):
    """The command prints the same lines, and the class gives the same answers and scores.

    Args:
        application: Name of the application.
        name: Name of the old run.
        inference: The application's class, such as `Translator`.
        inputs: What both are asked: the file or folder of the run for `--input`.
        folder: Where to work.
    """
    run, expected = copied(name, folder)
    predict = importlib.import_module(f"apps.{application}.predict")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        predict.main(flags(run=run, input=run / inputs, output=folder / "maps"))
    printed = [line.removeprefix(f"{run / inputs}/") for line in out.getvalue().splitlines()]
    assert printed[: len(expected["printed"])] == expected["printed"]

    loaded = inference.load(run)
    assert loaded.model.count_params() == expected["parameters"]
    asked = [
        run / inputs / answer["file_name"] if "file_name" in answer else answer
        for answer in expected["answers"]
    ]
    for result, answer in zip(loaded.predict(asked), expected["answers"], strict=True):
        for field in FIELDS:
            if field in answer:
                assert getattr(result, field) == answer[field]
        score = answer.get("score", answer.get("probability"))
        if score is not None:
            assert result.score == pytest.approx(score, rel=1e-3, abs=1e-4)
        if "words" in answer:
            words = [[word, round(start, 2), round(end, 2)] for word, start, end in result.words]
            assert words == answer["words"]
        assert result.attention.weights.min() >= 0


def assert_example_runs(application, name, inference, folder):
    """The example in the class's docstring runs as it stands, and draws a map.

    Args:
        application: Name of the application.
        name: Name of the old run that is the latest.
        inference: The application's class.
        folder: Where to work.
    """
    latest = shutil.copytree(RUNS / name, folder / "runs" / application / "latest")
    for suffix, wanted in ((".png", "photo.jpg"), (".wav", "recording.wav")):
        for found in sorted((latest / "inputs").glob(f"*{suffix}"))[:1]:
            shutil.copy(found, folder / wanted)
    (example,) = re.findall(r"```python\n(.*?)```", inference.__doc__, re.DOTALL)
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        exec(textwrap.dedent(example), {inference.__name__: inference})
    assert out.getvalue().strip()
    (saved,) = folder.glob("map.*")
    assert saved.stat().st_size > 1000
