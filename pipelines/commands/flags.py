"""The flags of a command, read into a frozen dataclass."""

import dataclasses
import difflib
import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from pipelines.commands.errors import UserError, check_utf8, hint

Config = TypeVar("Config")


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
            f"{flag} takes {', '.join(choices)}, not '{event.value}'{hint(event.value, choices)}"
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
