"""What every application promises.

Help comes at once and documents every flag; bad input gets one line, exit status 2, and leaves
nothing.
"""

import dataclasses
import importlib
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from pipelines.commands.flags import parse
from pipelines.commands.ranges import Range
from tests.apps.commands import ROOT, flags, refused

HELP = """
import sys
from apps.{application} import {command}
slow = ("tensorflow", "keras", "jax", "torch", "numpy", "sacrebleu", "rouge_score", "nltk", "babel",
        "tokenizers", "librosa", "jiwer", "sklearn", "PIL", "matplotlib")
try:
    {command}.main(["--help"])
finally:
    print("imported", *(name for name in slow if name in sys.modules))
"""


def outside(numbers: Range):
    """Numbers that are not in a range, next to its ends."""
    words = numbers.description
    if words.startswith("at least"):
        return [float(words.split()[-1]) - 1]
    if words.startswith("greater"):
        return [float(words.split()[-1])]
    low, high = (float(end) for end in re.findall(r"[\d.]+", words))
    return [low - 1 if "[" in words else low, high if ")" in words else high + 1]


def ranges_of(config_class):
    """Each field of a configuration that has a range, with this."""
    fields = {field.name for field in dataclasses.fields(config_class)}
    for cls in config_class.__mro__:
        for numbers, names in vars(cls).get("RANGES", {}).items():
            for name in set(names.split()) & fields:
                yield name, numbers


class Help:
    """The contract of `--help`, for a test class of an application to inherit from.

    Attributes:
        application: Its name.
    """

    application: str

    @pytest.mark.parametrize(
        ("command", "options"),
        [("train", "Config"), ("evaluate", "Evaluation"), ("predict", "Prediction")],
    )
    def test_help_is_quick_and_documents_every_field(self, command, options):
        script = HELP.format(application=self.application, command=command)
        before = os.times()
        result = subprocess.run(
            [sys.executable, "-c", script],
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
        config = importlib.import_module(f"apps.{self.application}.config")
        for field in dataclasses.fields(getattr(config, options)):
            assert f"--{field.name.replace('_', '-')}" in words, field.name

    def test_the_commands_of_the_readme_have_flags_that_exist(self):
        config = importlib.import_module(f"apps.{self.application}.config")
        text = (ROOT / "apps" / self.application / "README.md").read_text("utf-8")
        opened = getattr(config, "pretrained", None)
        training = {"presets": getattr(config, "PRESETS", None), "open_preset": opened}
        lines = re.findall(rf'make (\w+)-{self.application}\b[^`\n]* ARGS="(.*?)"', text)
        assert lines
        for command, words in dict.fromkeys(lines):
            if command == "train":
                parse(config.Config, words.split(), **training)
            elif command == "prepare":
                words = [*words.split(), "--output", "a"]
                parse(config.Preparation, words, presets=training["presets"])
            elif command == "evaluate":
                parse(config.Evaluation, words.split())
            else:
                parse(config.Prediction, [*words.split(), "--input", "a"])


class BadInput:
    """The contract, for a test class of an application to inherit from.

    Attributes:
        application: Its name.
        built_in: Name of its built-in data set.
        settings: Flags of a training that is small enough for tests.
        asked: Flags that `predict` needs besides `--run`.
        wrong_flags: Commands, flags, and what is said of them, beyond what all share.
        bad_lines: Lines of train.jsonl, and what is said of them.
        tfds: A name that TensorFlow Datasets nearly has, and the nearest.
        public: A set that it has, with the features of the application.
        task: Flags of the task that `folder` is for, of an application with several.

    The fixtures `folder`, a data set of its own below the working folder, `trained` and `copied`
    are the application's.
    """

    application: str
    built_in: str
    settings: dict
    asked: dict = {"input": "one"}  # noqa: RUF012
    wrong_flags: tuple = ()
    bad_lines: tuple
    tfds: tuple
    public: str
    task: dict = {}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        """Commands run in an empty folder; one that is refused leaves no run there."""
        monkeypatch.chdir(tmp_path)
        yield
        assert not (tmp_path / "runs").exists()

    @pytest.fixture
    def refuse(self, capsys):
        """The one line with which a command of the application refuses its flags."""

        def refuse(command, *words, **settings):
            main = importlib.import_module(f"apps.{self.application}.{command}").main
            return refused(main, [*words, *flags(**settings)], capsys)

        return refuse

    @property
    def config_class(self):
        return importlib.import_module(f"apps.{self.application}.config").Config

    # --- flags

    @pytest.mark.parametrize(
        ("command", "words", "message"),
        [
            ("train", "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
            ("evaluate", "--splits test", "unknown flag --splits; the nearest .* is --split"),
            ("predict", "--inputs a", "unknown flag --inputs; the nearest .* is --input"),
            ("train", "--epochs many", "--epochs takes INT, not 'many'"),
            ("train", "--epochs", "--epochs takes a value: INT"),
            ("train", "photo.jpg", "unexpected argument 'photo.jpg'"),
        ],
    )
    def test_a_wrong_flag_is_named(self, refuse, command, words, message):
        assert re.match(f"error: {message}", refuse(command, *words.split()))

    def test_wrong_flags_of_the_application_are_named(self, refuse):
        for command, words, message in self.wrong_flags:
            assert re.match(f"error: {message}", refuse(command, *words.split())), words

    def test_every_number_has_its_range(self):
        kinds = {field.name: str(field.type) for field in dataclasses.fields(self.config_class)}
        found = list(ranges_of(self.config_class))
        assert {"epochs", "learning_rate", "seed", "op_threads"} <= {name for name, _ in found}
        for name, numbers in found:
            for value in outside(numbers):
                value = int(value) if "int" in kinds[name] else value
                flag = name.replace("_", "-")
                with pytest.raises(
                    ValueError, match=rf"^--{flag} must be {re.escape(numbers.description)}"
                ):
                    self.config_class(**{name: value})

    def test_numbers_are_looked_at_before_the_data(self, refuse):
        line = refuse("train", dataset="./nowhere", epochs=0)
        assert line == "error: --epochs must be at least 1, not 0"

    def test_a_gpu_where_there_is_none(self, refuse, folder):
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            pytest.skip("there is one")
        line = refuse("train", dataset=folder, device="gpu")
        assert "--device gpu: the tensorflow backend finds no GPU" in line

    @pytest.mark.parametrize("name", ["a/b", "..", "latest", "a b"])
    def test_a_name_that_cannot_be_a_folder(self, refuse, folder, name):
        line = refuse("train", dataset=folder, name=name)
        assert line.startswith(f"error: --name {name!r} cannot name a folder")

    def test_a_name_that_is_taken(self, refuse, folder, trained, monkeypatch):
        monkeypatch.chdir(trained.folder)
        before = (trained.run / "config.json").read_bytes()
        line = refuse("train", **{**self.settings, "dataset": folder, "name": "tiny"})
        assert line.startswith(f"error: there is a run runs/{self.application}/tiny already")
        assert (trained.run / "config.json").read_bytes() == before

    # --- data

    def test_an_unknown_data_set(self, refuse):
        line = refuse("train", dataset=self.built_in[:-1])
        assert line.startswith(f"error: unknown data set '{self.built_in[:-1]}'")
        assert self.built_in in line.removeprefix(f"error: unknown data set '{self.built_in}")
        line = refuse("train", dataset="./nowhere")
        assert line == "error: there is no folder ./nowhere"
        name, nearest = self.tfds
        line = refuse("train", dataset=f"tfds:{name}")
        assert f"no such name, the nearest are {nearest}" in line

    def test_a_set_that_cannot_be_downloaded(self, refuse, tmp_path, monkeypatch):
        """In one line and at once: TensorFlow Datasets alone would try for minutes."""
        from tensorflow_datasets.core.download import downloader

        def unplugged(address, timeout):
            raise OSError(101, "Network is unreachable")

        monkeypatch.setattr(socket, "create_connection", unplugged)
        monkeypatch.setattr(downloader, "_open_with_requests", None)
        line = refuse("train", dataset=self.public, data_dir=tmp_path)
        assert f"error: {self.public} is not prepared in {tmp_path}/" in line
        assert "cannot be reached: Network is unreachable): prepare it where there is" in line

    def test_bad_lines(self, refuse, folder):
        path = folder / "train.jsonl"
        good = path.read_text("utf-8").splitlines()[0]
        for line, message in [('{"a": "b"', "not JSON"), *self.bad_lines]:
            path.write_text(f"{good}\n{line}\n{line}\n")
            said = refuse("train", dataset=folder, **self.task)
            assert said.startswith(f"error: train: 2 of 3 left out, the first is {path}:2 ("), line
            assert message in said and said.endswith("; --max-skipped 0.67 would allow it"), line

    def test_an_empty_or_missing_file(self, refuse, folder):
        path = folder / "train.jsonl"
        path.write_text("")
        assert refuse("train", dataset=folder, **self.task) == f"error: {path} is empty"
        path.unlink()
        line = refuse("train", dataset=folder, **self.task)
        assert line.startswith(f"error: {folder} has ") and "train.jsonl" in line

    # --- a finished run

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_what_is_no_run(self, refuse, command, folder):
        asked = self.asked if command == "predict" else {}
        assert refuse(command, run="none", **asked) == "error: there is no run none"
        line = refuse(command, run=folder, **asked)
        assert line == f"error: {folder} is not a run: it has no config.json"
        (folder / "config.json").write_text("{}")
        line = refuse(command, run=folder, **asked)
        assert line.startswith(f"error: the run {folder} has no model.keras")

    @pytest.mark.parametrize("content", [b"", b"no model", None])
    def test_a_damaged_model(self, refuse, copied, content):
        path = copied / "model.keras"
        path.write_bytes(path.read_bytes()[:-1000] if content is None else content)
        assert refuse("evaluate", run=copied).startswith(f"error: {path} cannot be read")

    @pytest.mark.parametrize("content", ["{", '{"colour": 1}', '{"epochs": 0}', "[1]"])
    def test_a_damaged_configuration(self, refuse, copied, content):
        (copied / "config.json").write_text(content)
        line = refuse("evaluate", run=copied)
        path = re.escape(str(copied / "config.json"))
        assert re.match(f"error: {path} (is no|cannot be read as a) configuration", line)

    def test_a_data_set_that_has_gone(self, refuse, copied):
        config = json.loads((copied / "config.json").read_text())
        (copied / "config.json").write_text(json.dumps({**config, "dataset": "./gone"}))
        line = refuse("evaluate", run=copied)
        assert line == (
            f"error: {copied} was not trained on this machine and asks for --dataset ./gone: "
            "give --dataset, the same or another"
        )
        line = refuse("evaluate", run=copied, dataset="./gone")
        assert line == "error: there is no folder ./gone"

    def test_an_evaluation_takes_nothing_elses_place(self, refuse, trained, tmp_path):
        line = refuse("evaluate", run=trained.run, output=trained.run)
        assert line == f"error: {trained.run} holds something else already: take another --output"
        line = refuse("evaluate", run=trained.run, name="a b")
        assert line.startswith("error: --name 'a b' cannot name a folder")
        assert not (trained.run / "evaluations").exists()

    def test_an_output_that_is_a_file(self, refuse, trained, tmp_path):
        (tmp_path / "file").touch()
        line = refuse("predict", run=trained.run, output=tmp_path / "file", **self.asked)
        assert line == f"error: cannot make the folder {tmp_path / 'file'}: File exists"
