import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Literal

import pytest

from pipelines.commands import devices, errors, flags


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


def error_line(capsys, function, *args, **options):
    with pytest.raises(SystemExit) as exit_info:
        errors.main(function)(*args, **options)
    captured = capsys.readouterr()
    assert exit_info.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err.removeprefix("error: ").rstrip("\n")


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


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
        ("--limit x", "--limit takes {None}|INT, not 'x'"),
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
    defaults = {"sizes": (8,), "limit": 5}
    assert parse("--epochs", "3", defaults=defaults) == Config(3, limit=5, sizes=(8,))
    read = parse("--preset", "small", "--limit", "6", presets=PRESETS, defaults=defaults)
    assert read == Config(epochs=1, limit=6, sizes=(8,))
    message = error_line(capsys, parse, "--preset", "larg", presets=PRESETS)
    assert message == "--preset takes None, small, large, not 'larg'; did you mean large?"
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
    assert "--preset {None,small}|NAME|FOLDER" in " ".join(capsys.readouterr().out.split())


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
        "Use so many examples. (default: None)",
        "Widths of the layers. (default: 1 2)",
        "--preset {None,small,large}",
    ):
        assert words in text


def test_help_is_quick_and_loads_no_backend():
    code = """
import sys
from tests.pipelines.test_console import Config, console
try:
    flags.parse(Config, ["--help"])
finally:
    assert not {"numpy", "keras", "tensorflow"} & set(sys.modules)
"""
    start = time.perf_counter()
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.perf_counter() - start < 3  # less than one on an idle machine


def test_main_passes_arguments_and_other_exceptions_on():
    assert errors.main(lambda a, b: a + b)(1, b=2) == 3
    with pytest.raises(ZeroDivisionError):
        errors.main(lambda: 1 / 0)()


def test_main_puts_a_message_of_several_lines_on_one(capsys):
    def fail():
        raise errors.UserError("no such\nfolder")

    assert error_line(capsys, fail) == "no such folder"


def test_what_the_file_system_refuses_is_one_line(capsys, tmp_path):
    def write(path):
        path.write_text("")

    line = error_line(capsys, write, tmp_path)
    assert line == f"{tmp_path}: Is a directory"
    assert error_line(capsys, write, tmp_path / ("a" * 300)).endswith(": File name too long")
    with pytest.raises(FileNotFoundError):
        errors.main(write)(tmp_path / "none" / "a")


def test_the_interrupt_key_ends_a_command_with_one_line(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_info:
        errors.main(interrupted)()
    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_an_unknown_name_comes_with_the_nearest_and_the_known_ones():
    error = errors.unknown("data set", "scnes", ["digits", "scenes"])
    assert str(error) == (
        "unknown data set 'scnes'; did you mean scenes? The known ones are digits, scenes."
    )
    error = errors.unknown("data set", "mnist", ["scenes"])
    assert str(error) == "unknown data set 'mnist'. The known ones are scenes."


def test_a_failed_import_shows_what_was_caught(capfd):
    with warnings.catch_warnings():
        with devices.quiet_start():
            os.write(2, b"swallowed")
        assert capfd.readouterr().err == ""
        with pytest.raises(ImportError), devices.quiet_start():
            os.write(2, b"the reason\n")
            raise ImportError
        assert capfd.readouterr().err == "the reason\n"
        with pytest.raises(errors.UserError), devices.quiet_start():
            os.write(2, b"swallowed")
            raise errors.UserError
        assert capfd.readouterr().err == ""


def test_a_training_run_writes_nothing_to_standard_error(tmp_path):
    done = run_python(
        f"""
from pipelines import console
devices.select_device("cpu")
with devices.quiet_start():
    import keras
    import tensorflow as tf

model = keras.Sequential(
    [
        keras.layers.Embedding(9, 4, mask_zero=True),
        keras.layers.LSTM(3),
        keras.layers.Dense(1),
    ]
)
model.compile("adam", "mse")
data = tf.data.Dataset.range(8).map(lambda i: (tf.fill([5], i), i), tf.data.AUTOTUNE)
model.fit(data.cache().batch(2).prefetch(2), steps_per_epoch=3, epochs=2, verbose=0)
tf.function(lambda x: 2 * x, jit_compile=True)(tf.ones(3))
model.save({str(tmp_path / "model.h5")!r})
try:
    devices.require_gpu()
except errors.UserError as error:
    print(error)
""",
        KERAS_BACKEND="tensorflow",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "--device gpu: the tensorflow backend finds no GPU; `make setup GPU=1` installs the CUDA "
        "builds, and `--device cpu` runs without\n"
    )


def test_the_device_is_chosen_by_the_environment(monkeypatch):
    names = "CUDA_VISIBLE_DEVICES JAX_PLATFORMS TF_FORCE_GPU_ALLOW_GROWTH TF_NUM_INTRAOP_THREADS"
    for name in names.split():
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for device in ("auto", "gpu"):
        devices.select_device(device)
        assert "CUDA_VISIBLE_DEVICES" not in os.environ and "JAX_PLATFORMS" not in os.environ
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    devices.select_device("cpu", op_threads=1)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["JAX_PLATFORMS"]) == ("-1", "cpu")


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_gpu_is_looked_for_by_the_backend_in_use(monkeypatch, backend):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setitem(devices._GPU_FOUND, backend, lambda: True)
    devices.require_gpu()
    monkeypatch.setitem(devices._GPU_FOUND, backend, lambda: False)
    with pytest.raises(errors.UserError, match=f"the {backend} backend finds no GPU"):
        devices.require_gpu()


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
