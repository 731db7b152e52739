"""Command lines read into a configuration, and what is wrong with them in one line."""

import os
import time
from dataclasses import dataclass
from typing import Literal

import pytest

from pipelines.commands import errors, flags
from tests.pipelines.commands.running import error_line, run_python


@dataclass(frozen=True)
class Config:
    """Trains a model."""

    epochs: int = 10
    """Passes over the data."""
    decoder: Literal["rnn", "transformer"] = "rnn"
    """The network that writes the caption."""
    learning_rate: float = 1e-3
    """Step size at its peak."""
    average: bool = True
    """Evaluate the mean of the weights."""
    limit: int | None = None
    """Use so many examples."""
    sizes: tuple[int, ...] = (1, 2)
    """Widths of the layers."""

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(f"--epochs must be positive, not {self.epochs}")


@dataclass(frozen=True)
class Required:
    """Names a file."""

    input: str
    """The file."""
    size: int = 1
    """Its size."""


PRESETS = {"small": Config(epochs=1, sizes=(3,)), "large": Config(epochs=99, average=False)}


def parse(*argv, **options):
    return flags.parse(Config, argv, prog="python -m command", **options)


def test_defaults_and_every_kind_of_flag():
    assert parse() == Config()
    read = parse(
        *["--epochs=5", "--decoder", "transformer", "--learning_rate", "2", "--no-average"],
        *["--limit", "3", "--sizes", "4", "5", "6"],
    )
    assert read == Config(5, "transformer", 2.0, False, 3, (4, 5, 6))
    assert type(read) is Config
    assert parse("--limit", "None") == Config()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--epohcs 3", "unknown flag --epohcs; the nearest known flag is --epochs"),
        ("--epohcs=3", "unknown flag --epohcs; the nearest known flag is --epochs"),
        (
            "--Learning_rat 3",
            "unknown flag --Learning_rat; the nearest known flag is --learning-rate",
        ),
        ("--no-averag", "unknown flag --no-averag; the nearest known flag is --no-average"),
        ("--no-epochs", "unknown flag --no-epochs; the nearest known flag is --epochs"),
        ("--epochs 2 --decodr rnn", "unknown flag --decodr; the nearest known flag is --decoder"),
        ("photo.jpg", "unexpected argument 'photo.jpg'; --help lists every flag"),
        ("--average True", "unexpected argument 'True'; --help lists every flag"),
        ("--epochs many", "--epochs takes INT, not 'many'"),
        ("--epochs", "--epochs takes a value: INT"),
        ("--epochs 0", "--epochs must be positive, not 0"),
        ("--decoder rn", "--decoder takes rnn, transformer, not 'rn'; did you mean rnn?"),
        ("--decoder foo", "--decoder takes rnn, transformer, not 'foo'."),
        ("--learning-rate big", "--learning-rate takes FLOAT, not 'big'"),
        ("--limit x", "--limit takes INT, not 'x'"),
        ("--sizes 3 x", "--sizes takes [INT [INT ...]], not '3', 'x'"),
    ],
)
def test_a_wrong_command_line_is_one_line(capsys, argv, message):
    assert error_line(capsys, parse, *argv.split()) == message


def test_a_missing_flag_is_one_line(capsys):
    def parse_required(*argv):
        return flags.parse(Required, argv)

    missing = error_line(capsys, parse_required, "--size", "3")
    assert missing == "--input is missing; --help lists every flag"
    misspelt = error_line(capsys, parse_required, "--inptu", "a.jpg")
    assert misspelt == "unknown flag --inptu; the nearest known flag is --input"


def test_an_argument_that_is_not_in_utf_8(capsys):
    message = error_line(capsys, parse, "--decoder", os.fsdecode(b"caf\xe9"))
    assert message == r"the name 'caf\xe9' is not in UTF-8: rename it"


def test_flags_override_the_preset_they_stand_beside(capsys):
    assert parse(presets=PRESETS) == Config()
    assert parse("--preset", "large", presets=PRESETS) == PRESETS["large"]
    read = parse("--sizes", "7", "--preset=small", "--average", presets=PRESETS)
    assert read == Config(epochs=1, sizes=(7,)) and type(read) is Config

    def defaults(config):
        """What is known only once the rest was read."""
        return {"sizes": (8,), "limit": 5 + config.epochs}

    assert parse("--epochs", "3", defaults=defaults) == Config(3, limit=8, sizes=(8,))
    read = parse("--preset", "small", "--limit", "6", presets=PRESETS, defaults=defaults)
    assert read == Config(epochs=1, limit=6, sizes=(8,))
    message = error_line(capsys, parse, "--preset", "larg", presets=PRESETS)
    assert message == "--preset takes small, large, not 'larg'; did you mean large?"
    message = error_line(capsys, parse, "--prest", "large", presets=PRESETS)
    assert message == "unknown flag --prest; the nearest known flag is --preset"


@dataclass(frozen=True)
class Named(Config):
    """Trains a model that a preset may have begun."""

    preset: str | None = None
    """Where it began."""


def test_a_preset_that_is_no_named_one_is_opened(capsys):
    def open_preset(name):
        if not name.startswith("model_"):
            raise errors.UserError(f"there is no model {name}")
        return Named(epochs=3, preset=name)

    def parse_named(*argv):
        presets = {"small": Named(epochs=1, sizes=(3,))}
        return flags.parse(Named, argv, presets=presets, open_preset=open_preset)

    assert parse_named() == Named()
    assert parse_named("--preset", "small") == Named(epochs=1, sizes=(3,), preset="small")
    assert parse_named("--preset", "model_b", "--limit", "2") == Named(3, limit=2, preset="model_b")
    message = error_line(capsys, parse_named, "--preset", "larg")
    assert message == "there is no model larg"
    with pytest.raises(SystemExit):
        parse_named("--help")
    assert "--preset {small}|NAME|FOLDER" in " ".join(capsys.readouterr().out.split())


def test_help_documents_every_field(capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse("--help", presets=PRESETS)
    assert exit_info.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("usage: python -m command")
    for words in (
        "Trains a model.",
        "--epochs INT",
        "Passes over the data. (default: 10)",
        "--decoder {rnn,transformer}",
        "The network that writes the caption. (default: rnn)",
        "Step size at its peak. (default: 0.001)",
        "--average, --no-average",
        "Evaluate the mean of the weights. (default: True)",
        "--limit INT Use so many examples.",
        "Widths of the layers. (default: 1 2)",
        "--preset {small,large}",
    ):
        assert words in text


@pytest.mark.parametrize("words", ["--preset small --help", "--help --preset=small"])
def test_help_beside_a_preset_shows_what_that_sets(words, capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse(*words.split(), presets=PRESETS)
    assert exit_info.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "Defaults are those of --preset small.",
        "--preset {small,large} Named configuration to start from; other flags override it. "
        "(default: small)",
        f"Passes over the data. (default: {PRESETS['small'].epochs})",
    ):
        assert words in text


def test_help_is_quick_and_loads_no_backend():
    code = """
import sys
from pipelines.commands import flags
from tests.pipelines.commands.test_flags import Config
try:
    flags.parse(Config, ["--help"])
finally:
    assert not {"numpy", "keras", "tensorflow"} & set(sys.modules)
"""
    start = time.perf_counter()
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.perf_counter() - start < 3  # less than one on an idle machine


TYRO_CHANGED = (
    "flags.py reads rejected command lines by a private hook, tyro._errors.on_parse_error, which "
    "this tyro has no more or has changed: adapt flags.parse and flags._reject to tyro/_errors.py "
    "of the new version, or put the pin in requirements.txt back"
)


@pytest.mark.parametrize(
    ("argv", "read", "expected"),
    [
        ("--epohcs 3", lambda event: list(event.tokens), ["--epohcs", "3"]),
        ("--decoder rn", lambda event: (*event.choices, event.value), ("rnn", "transformer", "rn")),
        ("--decoder rn", lambda event: event.argument.display_name(), "--decoder"),
        ("--epochs many", lambda event: event.argument.lowered.metavar, "INT"),
        ("--epochs many", lambda event: "'many'" in event.message, True),
        ("--epochs", lambda event: event.argument.lowered.metavar, "INT"),
        (
            "--size 3",
            lambda event: [context.arg.display_name() for context in event.missing_arguments],
            ["--input"],
        ),
    ],
)
def test_the_private_hook_of_tyro_is_as_it_is_used(argv, read, expected):
    import tyro

    class Rejected(Exception):
        """Ends the parser before it prints."""

    def reject(event):
        raise Rejected(event)

    try:
        with pytest.raises(Rejected) as rejected, tyro._errors.on_parse_error(reject):
            tyro.cli(Required if "size" in argv else Config, args=argv.split())
        found = read(*rejected.value.args)
    except (Exception, SystemExit) as error:
        pytest.fail(f"{TYRO_CHANGED} ({error!r})")
    assert found == expected, TYRO_CHANGED


@dataclass(frozen=True)
class Later:
    """Uses what was trained."""

    epochs: int | None = None
    limit: int | None = None
    run: str = "latest"


def test_a_later_command_overrides_what_it_gives():
    config = Config(epochs=3, limit=4)
    assert flags.override(config, Later()) == config
    assert flags.override(config, Later(limit=9)) == Config(epochs=3, limit=9)


def test_what_overrides_must_fit(capsys):
    line = error_line(capsys, flags.override, Config(), Later(epochs=0))
    assert line == "--epochs must be positive, not 0"


@dataclass(frozen=True, kw_only=True)
class Switched:
    """Uses a finished run."""

    average: bool | None = None
    """Evaluate the mean of the weights."""
    limit: int | None = None
    """Use so many examples."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Switched()),
        ("--average", Switched(average=True)),
        ("--no-average --limit 3", Switched(average=False, limit=3)),
        ("--limit 3 --average", Switched(average=True, limit=3)),
        ("--average False", Switched(average=False)),
        ("--average True --limit 3", Switched(average=True, limit=3)),
    ],
)
def test_a_boolean_that_need_not_be_given(words, expected):
    assert flags.parse(Switched, words.split()) == expected
