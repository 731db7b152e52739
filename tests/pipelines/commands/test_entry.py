"""The entry point of a command, from flags to exit status."""

import json
from dataclasses import dataclass

import pytest

from pipelines.commands import devices, errors, options
from pipelines.commands.entry import command


@dataclass(frozen=True, kw_only=True)
class Config(options.Data, options.Training, options.Decoding, options.Run):
    """Trains."""

    dataset: str = "digits"


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, options.overrides(Config), options.FinishedRun):
    """Evaluates."""

    run: str = "run"


@pytest.fixture(autouse=True)
def started(monkeypatch):
    """What the device was started with, without TensorFlow."""
    calls = []
    monkeypatch.setattr(devices, "start", lambda *arguments: calls.append(arguments[:2]))
    return calls


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"beams": 3, "op_threads": 2}))
    (tmp_path / "model.keras").touch()
    return str(tmp_path)


def test_a_training_gets_its_configuration_after_the_start(started):
    @command(Config, presets={"long": Config(epochs=99)})
    def main(config):
        """Trains."""
        assert started == [("cpu", 5)]
        return config

    words = ["--preset", "long", "--beams", "7", "--device", "cpu", "--op-threads", "5"]
    assert main(words) == Config(epochs=99, beams=7, device="cpu", op_threads=5)
    assert (main.__name__, main.__doc__) == ("main", "Trains.")


def test_a_command_on_a_run_gets_the_runs_configuration_as_well(started, run):
    @command(Evaluation, Config)
    def main(arguments, config):
        return arguments, config

    arguments, config = main(["--run", run, "--top-k", "4"])
    assert arguments == Evaluation(run=run, top_k=4)
    assert config == Config(beams=3, op_threads=2, top_k=4)
    assert started == [("auto", 2)]


def test_a_command_may_resolve_and_read_on_its_own_before_anything_slow(started, run):
    def read(arguments, config):
        assert not started
        return [arguments.run, config.epochs]

    @command(Evaluation, Config, resolve=lambda arguments: Config(epochs=5), read=read)
    def main(arguments, config, found):
        return config.epochs, found

    assert main(["--run", run]) == (5, [run, 5])

    @command(Config, resolve=lambda config: Config(epochs=2 * config.epochs))
    def train(config):
        return config.epochs

    assert train(["--epochs", "4"]) == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "nowhere"], "there is no run nowhere"),
        (["--runs", "a"], "unknown flag --runs; the nearest known flag is --run"),
        (["--beams", "0"], "--beams must be at least 1, not 0"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_started(words, message, started, capsys):
    @command(Evaluation, Config)
    def main(arguments, config):
        raise AssertionError

    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not started


def test_an_error_of_the_command_is_one_line_too(run, capsys):
    @command(Evaluation, Config)
    def main(arguments, config):
        raise errors.UserError("no such thing")

    with pytest.raises(SystemExit) as exit_:
        main(["--run", run])
    assert (exit_.value.code, capsys.readouterr().err) == (2, "error: no such thing\n")


def test_help_names_the_module(capsys):
    @command(Config)
    def main(config):
        raise AssertionError

    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    assert f"usage: python -m {__name__}" in " ".join(capsys.readouterr().out.split())
