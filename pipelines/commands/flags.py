"""The flags of a command, read into a frozen dataclass."""

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pipelines.commands.errors import UserError, check_utf8, hint
from pipelines.commands.mechanisms import meant
from pipelines.commands.options import GROUPS, owner

Config = TypeVar("Config")

_PRESET = "Named configuration to start from; other flags override it."
_OPEN_PRESET = f"{_PRESET} Or a pretrained model to start from, its name or its folder."


def parse(
    config_class: type[Config],
    argv: Sequence[str] | None = None,
    *,
    prog: str | None = None,
    presets: Mapping[str, Config] | None = None,
    open_preset: Callable[[str], Config] | None = None,
    defaults: Callable[[Config], Mapping[str, object]] | None = None,
) -> Config:
    """Reads a frozen dataclass from the command line.

    Each field is a flag, documented by the docstring below the field; a boolean is `--flag` or
    `--no-flag`. `--help` prints them all, in the groups of `options`, and exits; beside a preset,
    with what that sets.

    Args:
        config_class: The dataclass. A `ValueError` from its `__post_init__` is the user's error.
        argv: The arguments, by default the process's.
        prog: The command as `--help` prints it, such as `python -m apps.captioning.train`.
        presets: Named configurations for `--preset NAME`, which other flags then override. Where
            `config_class` has a field `preset`, it keeps the name.
        open_preset: Makes a configuration of any other value of `--preset`, or raises a
            `UserError`; without it no other value is taken.
        defaults: Takes what was read, and returns fields to be read again with these values where
            no flag gives one, whatever the class or the preset has there.

    Returns:
        An instance of `config_class`.

    Raises:
        UserError: For an unknown flag, naming the nearest known one, a value that does not fit, or
            one that is not in UTF-8.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    for argument in argv:
        check_utf8(argument)
    flags = _flags(config_class, presets, open_preset is not None)
    argv = _with_truth(argv, flags.values())
    base: dict[str, object] = {}
    preset = _preset(argv) if presets else None
    if preset in (presets or ()):
        base = {**_values(presets[preset]), "preset": preset}
    elif preset is not None and open_preset is not None:
        base = {**_values(open_preset(preset)), "preset": preset}
    values = _read(config_class, flags, base, argv, prog)
    if defaults is not None and (more := defaults(_make(config_class, values))):
        values = _read(config_class, flags, base | dict(more), argv, prog)
    return _make(config_class, values)


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


def spelled(name: str) -> str:
    """Returns the flag of a field: "--data-dir"."""
    return "--" + name.replace("_", "-")


@dataclasses.dataclass(frozen=True)
class _Flag:
    """A field as the command line has it; `kind` is its type, without None where it may be that."""

    name: str
    kind: Any
    optional: bool
    default: Any
    group: str
    help: str
    where_none: str
    open: bool = False

    @property
    def spellings(self) -> list[str]:
        name = spelled(self.name)
        return [name, f"--no-{name[2:]}"] if self.kind is bool else [name]

    @property
    def choices(self) -> list[str]:
        """The values it takes, in the order of `--help`; none where it takes any of a type."""
        return [str(choice) for choice in _literals(self.kind) if choice is not None]

    def field(self, default: Any) -> tuple[str, Any, Any]:
        """What `make_dataclass` is to make of it."""
        import tyro

        options: dict[str, Any] = {"help": self.help}
        if self.optional or typing.get_origin(self.kind) is Literal:
            options["metavar"] = self._metavar()
        if default is None:
            options["help_behavior_hint"] = self.where_none
        kind = self.kind | None if self.optional else self.kind
        if self.open:
            kind = str | None
        annotation = Annotated[kind, tyro.conf.arg(**options)]
        return self.name, annotation, dataclasses.field(default=default)

    def _metavar(self) -> str:
        if self.kind is bool:
            return "| --no-" + self.name.replace("_", "-")
        if self.choices:
            chosen = f"{{{','.join(self.choices)}}}"
            return f"{chosen}|NAME|FOLDER" if self.open else chosen
        return self.kind.__name__.upper()


def _flags(config_class, presets, is_open) -> dict[str, _Flag]:
    """The fields of a configuration by their names, a preset before all."""
    hints, documents = typing.get_type_hints(config_class), _documents(config_class)
    found = {}
    if presets:
        kind = Literal[tuple(presets)]
        help = _OPEN_PRESET if is_open else _PRESET
        found["preset"] = _Flag("preset", kind, True, None, "", help, "", is_open)
    for field in dataclasses.fields(config_class):
        if field.name in found:
            continue
        kind, optional = _without_none(hints[field.name])
        source = owner(config_class, field.name)
        found[field.name] = _Flag(
            field.name,
            kind,
            optional,
            field.default,
            getattr(source, "GROUP", ""),
            documents.get(field.name, ""),
            getattr(source, "WHERE_NONE", ""),
        )
    return found


def _preset(argv) -> str | None:
    """The value of `--preset`, as far as there is one."""
    values = [word.partition("=")[2] for word in argv if word.startswith("--preset=")]
    pairs = itertools.pairwise(argv)
    values += [value for word, value in pairs if word == "--preset" and value[:1] != "-"]
    return values[-1] if values else None


def _with_truth(argv, flags) -> list[str]:
    """The arguments with `--flag` and `--no-flag` spelled out where a flag need not be given.

    Elsewhere tyro takes both as they are; where None is a third value, it wants a word.
    """
    spelled = {}
    for flag in flags:
        if flag.kind is bool and flag.optional:
            yes, no = flag.spellings
            spelled |= {yes: [yes, "True"], no: [yes, "False"]}
    words = []
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        given = following in ("True", "False", "None")
        words += [word] if given else spelled.get(word, [word])
    return words


def _literals(kind) -> list[Any]:
    """The values of a `Literal`, or of those within a type such as `tuple[Literal[...], ...]`."""
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    return [value for part in typing.get_args(kind) for value in _literals(part)]


def _without_none(kind) -> tuple[Any, bool]:
    """A type without None, and whether None was in it."""
    if typing.get_origin(kind) not in (types.UnionType, typing.Union):
        return kind, False
    left = [each for each in typing.get_args(kind) if each is not type(None)]
    return functools.reduce(lambda one, other: one | other, left), True


@functools.cache
def _documents(config_class: type) -> dict[str, str]:
    """The docstring below each field, that of the last class to have one."""
    found: dict[str, str] = {}
    for cls in reversed(config_class.__mro__):
        if "OF" in vars(cls):
            found |= {name: _documents(cls.OF)[name] for name in vars(cls)["__annotations__"]}
        try:
            source = textwrap.dedent(inspect.getsource(cls))
        except (OSError, TypeError):  # Of a class made while running, or a builtin one.
            continue
        body = ast.parse(source).body[0].body
        for field, document in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(document, ast.Expr):
                found[field.target.id] = " ".join(ast.literal_eval(document.value).split())
    return found


def _read(config_class, flags, base, argv, prog) -> dict[str, Any]:
    """The value of each field."""
    import tyro

    groups: dict[str, list[_Flag]] = {}
    for flag in flags.values():
        groups.setdefault(flag.group, []).append(flag)
    parts = []
    for name in sorted(groups, key=GROUPS.index):
        fields = [flag.field(base.get(flag.name, flag.default)) for flag in groups[name]]
        part = dataclasses.make_dataclass(
            name.title() or "Options", fields, frozen=True, kw_only=True
        )
        part.__doc__ = " "
        parts.append((name or "general", Annotated[part, tyro.conf.arg(name=name)]))
    command = dataclasses.make_dataclass(config_class.__name__, parts, frozen=True)
    command.__doc__ = config_class.__doc__
    if base.get("preset") is not None:
        command.__doc__ = f"{command.__doc__}\n\nDefaults are those of --preset {base['preset']}."
    # tyro's own hook for a rejected command line; the exact pin of tyro keeps it in place.
    with tyro._errors.on_parse_error(functools.partial(_reject, flags)):
        read = tyro.cli(command, args=argv, prog=prog, config=(tyro.conf.OmitArgPrefixes,))
    return {name: value for part in vars(read).values() for name, value in vars(part).items()}


def _make(config_class, values):
    names = {field.name for field in dataclasses.fields(config_class)}
    try:
        return config_class(**{k: v for k, v in values.items() if k in names})
    except ValueError as error:
        raise UserError(str(error)) from error


def _values(config) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _reject(flags: Mapping[str, _Flag], event) -> None:
    """Turns tyro's account of a rejected command line into one line."""
    argument = getattr(event, "argument", None)
    flag = argument.display_name() if argument else None
    tokens = getattr(event, "tokens", None) or getattr(event, "unrecognized_tokens", None)
    if tokens:
        raise UserError(_unrecognized(tokens, flags))
    if missing := getattr(event, "missing_arguments", None):
        needed = ", ".join(context.arg.display_name() for context in missing)
        raise UserError(f"{needed} is missing; --help lists every flag")
    if hasattr(event, "choices"):
        choices = flags[flag.removeprefix("--").replace("-", "_")].choices
        called = meant(event.value, choices)
        nearest = f"; did you mean {called}?" if called else hint(event.value, choices)
        raise UserError(f"{flag} takes {', '.join(choices)}, not '{event.value}'{nearest}")
    if message := getattr(event, "message", None):
        if flag is None:
            raise UserError(message)
        value = re.search(r"'.*'(?=\]?\.?$)", message.splitlines()[0])
        problem = f", not {value[0]}" if value else f": {message}"
        raise UserError(f"{flag} takes {argument.lowered.metavar}{problem}")
    if flag:
        raise UserError(f"{flag} takes a value: {argument.lowered.metavar}")


def _unrecognized(tokens: Iterable[str], flags: Mapping[str, _Flag]) -> str:
    tokens = list(tokens)
    wrong = next((token for token in tokens if token.startswith("-")), None)
    if wrong is None:
        return f"unexpected argument '{tokens[0]}'; --help lists every flag"
    wrong = wrong.partition("=")[0]
    known = [spelling for flag in flags.values() for spelling in flag.spellings]
    nearest = difflib.get_close_matches(wrong.replace("_", "-"), known, n=1, cutoff=0)[0]
    return f"unknown flag {wrong}; the nearest known flag is {nearest}"
