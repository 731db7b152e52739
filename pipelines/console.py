"""What every command shares: its flags, its one-line errors, and a terminal that shows the run."""

import contextlib
import dataclasses
import difflib
import errno
import functools
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from rich.console import Console

# Of a place to write, or a name to read from.
REFUSALS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
}
console = Console(markup=False, highlight=False, soft_wrap=True)

Config = TypeVar("Config")


class UserError(Exception):
    """A mistake of the user's, told in one clear line."""


def main(function: Callable) -> Callable:
    """Makes `function` the entry point of a command.

    A `UserError` becomes `error: MESSAGE` on standard error and exit status 2, and so does what the
    file system refuses; the interrupt key becomes one line and exit status 130. Every other
    exception keeps its traceback.

    Args:
        function: The command; its arguments and its result are passed on.

    Returns:
        The entry point.
    """

    @functools.wraps(function)
    def entry_point(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except UserError as error:
            _end(str(error))
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            _end(f"{error.filename or 'cannot write'}: {error.strerror}")
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            sys.exit(130)

    return entry_point


def _end(message):
    print("error:", " ".join(message.splitlines()), file=sys.stderr)
    sys.exit(2)


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Builds the error for a name that is none of the known ones.

    Args:
        kind: What is named, such as "data set".
        name: What the user wrote.
        known: The names there are.

    Returns:
        The error, which lists the known names and points at the nearest.
    """
    known = list(known)
    return UserError(
        f"unknown {kind} '{name}'{_hint(name, known)} The known ones are {', '.join(known)}."
    )


def check_utf8(name: str | os.PathLike) -> None:
    """Makes sure that a name can be printed and written down.

    File systems take any bytes for a name. Those that are no UTF-8 are strings in Python, but
    neither a terminal nor a file of a run takes them.

    Raises:
        UserError: It cannot.
    """
    raw = os.fsencode(name)
    try:
        raw.decode()
    except UnicodeDecodeError:
        shown = raw.decode("utf-8", "backslashreplace")
        raise UserError(f"the name '{shown}' is not in UTF-8: rename it") from None


def parse(
    config_class: type[Config],
    argv: Sequence[str] | None = None,
    *,
    prog: str | None = None,
    description: str | None = None,
    presets: Mapping[str, Config] | None = None,
    open_preset: Callable[[str], Config] | None = None,
    defaults: Mapping[str, object] | None = None,
) -> Config:
    """Reads a flat, frozen dataclass from the command line.

    Each field is a flag, documented by the docstring below the field; a boolean is `--flag` or
    `--no-flag`. `--help` prints them all and exits.

    Args:
        config_class: The dataclass. A `ValueError` from its `__post_init__` is the user's error.
        argv: The arguments, by default the process's.
        prog: The command as `--help` prints it, such as `python -m apps.captioning.train`.
        description: The first lines of `--help`, by default the class's docstring.
        presets: Named configurations for `--preset NAME`, which other flags then override. Where
            `config_class` has a field `preset`, it keeps the name.
        open_preset: Makes a configuration of any other value of `--preset`, or raises a
            `UserError`; without it no other value is taken.
        defaults: Values of fields that stand where no flag does, whatever the class or the preset
            has there.

    Returns:
        An instance of `config_class`.

    Raises:
        UserError: For an unknown flag, naming the nearest known one, a value that does not fit, or
            one that is not in UTF-8.
    """
    import tyro

    for argument in sys.argv[1:] if argv is None else argv:
        check_utf8(argument)

    command = _with_preset(config_class, presets, open_preset) if presets else config_class

    def read(**default):
        # tyro's own hook for a rejected command line; the exact pin of tyro keeps it in place.
        with tyro._errors.on_parse_error(functools.partial(_reject, _flags(command))):
            return tyro.cli(command, args=argv, prog=prog, description=description, **default)

    config = read()
    base = dict(defaults or {})
    if presets and config.preset is not None:
        named = presets.get(config.preset) or open_preset(config.preset)
        base = {**_values(named), **base}
    if base:
        config = read(default=command(**base))
    names = {field.name for field in dataclasses.fields(config_class)}
    return config_class(**{k: v for k, v in _values(config).items() if k in names})


def override(config: Config, arguments) -> Config:
    """Returns a configuration with what a later command gives in place of its own.

    Args:
        config: The configuration of a finished run.
        arguments: The dataclass of the later command. Of the fields that both have, those that are
            not None count.

    Raises:
        UserError: They do not go together.
    """
    names = {field.name for field in dataclasses.fields(config)}
    given = {k: v for k, v in vars(arguments).items() if k in names and v is not None}
    try:
        return dataclasses.replace(config, **given)
    except ValueError as error:
        raise UserError(str(error)) from error


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps the start-up lines of TensorFlow and JAX off the terminal.

    The backend is to be imported inside. Its libraries write to file descriptor 2 before any of
    their settings is read, so the descriptor points to a file meanwhile; what was caught is shown
    if the import fails. Later messages, short of exceptions, are silenced by the libraries' own
    settings, unless `TF_CPP_MIN_LOG_LEVEL` is set already.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    failed = False
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except Exception as error:
            failed = not isinstance(error, UserError)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            if failed:
                caught.seek(0)
                os.write(2, caught.read())
    # After the import, because absl must be the one to make its logger.
    for name in ("absl", "tensorflow", "jax._src.xla_bridge"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(absl|jax|keras|keras_hub|tensorflow|torch)\b")


def select_device(device: Literal["cpu", "gpu", "auto"], op_threads: int | None = None) -> None:
    """Shows or hides the GPUs, and shares out the cores. To be called before a backend is imported.

    Args:
        device: "cpu" hides every GPU; "gpu" and "auto" leave them as they are. After the import,
            `require_gpu` makes sure of "gpu".
        op_threads: Cores that share one operation of TensorFlow; `None` for all.
    """
    if op_threads is not None:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(op_threads))
    # TensorFlow also reads the data when another backend computes: it must leave it the memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"


def require_gpu() -> None:
    """Makes sure that the Keras backend in use computes on a GPU.

    Raises:
        UserError: If it finds none.
    """
    import keras

    backend = keras.backend.backend()
    if not _GPU_FOUND[backend]():
        raise UserError(
            f"--device gpu: the {backend} backend finds no GPU; `make setup GPU=1` installs the "
            "CUDA builds, and `--device cpu` runs without"
        )


def _tensorflow_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _jax_gpu() -> bool:
    import jax

    return jax.default_backend() == "gpu"


def _torch_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


_GPU_FOUND = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}


def _with_preset(config_class: type, presets: Iterable[str], is_open: object) -> type:
    """Returns `config_class` with one more field, the name of a preset or what else is opened."""
    import tyro

    about = "Named configuration to start from; other flags override it."
    choice = Annotated[Literal[(None, *presets)], tyro.conf.arg(help=about)]
    if is_open:
        metavar = f"{{{','.join(('None', *presets))}}}|NAME|FOLDER"
        about = f"{about} Or a pretrained model to start from, its name or its folder."
        choice = Annotated[str | None, tyro.conf.arg(help=about, metavar=metavar)]
    command = dataclasses.make_dataclass(
        config_class.__name__, [("preset", choice, None)], bases=(config_class,), frozen=True
    )
    command.__doc__ = config_class.__doc__
    return command


def _values(config) -> dict:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _flags(config_class: type) -> list[str]:
    flags = []
    for field in dataclasses.fields(config_class):
        name = field.name.replace("_", "-")
        flags += [f"--{name}", f"--no-{name}"] if field.type in (bool, "bool") else [f"--{name}"]
    return flags


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else "."


def _reject(flags: Sequence[str], event) -> None:
    """Turns tyro's account of a rejected command line into one line."""
    argument = getattr(event, "argument", None)
    flag = argument.display_name() if argument else None
    tokens = getattr(event, "tokens", None) or getattr(event, "unrecognized_tokens", None)
    if tokens:
        raise UserError(_unrecognized(tokens, flags))
    if missing := getattr(event, "missing_arguments", None):
        needed = ", ".join(context.arg.display_name() for context in missing)
        raise UserError(f"{needed} is missing; --help lists every flag")
    if choices := getattr(event, "choices", None):
        raise UserError(
            f"{flag} takes {', '.join(choices)}, not '{event.value}'{_hint(event.value, choices)}"
        )
    if message := getattr(event, "message", None):
        if flag is None:
            raise UserError(message)
        value = re.search(r"'.*'(?=\]?\.?$)", message.splitlines()[0])
        problem = f", not {value[0]}" if value else f": {message}"
        raise UserError(f"{flag} takes {argument.lowered.metavar}{problem}")
    if flag:
        raise UserError(f"{flag} takes a value: {argument.lowered.metavar}")


def _unrecognized(tokens: Sequence[str], flags: Sequence[str]) -> str:
    wrong = next((token for token in tokens if token.startswith("-")), None)
    if wrong is None:
        return f"unexpected argument '{tokens[0]}'; --help lists every flag"
    wrong = wrong.partition("=")[0]
    nearest = difflib.get_close_matches(wrong.replace("_", "-"), flags, n=1, cutoff=0)[0]
    return f"unknown flag {wrong}; the nearest known flag is {nearest}"
