"""Lists and objects that stand as text in a cell of a table, as JSON or as Python prints them."""

import ast
import json
import re
import warnings

# As NumPy prints texts; Python would join them.
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
ARRAY = re.compile(rf"\[\s*(?:{QUOTED})(?:\s+(?:{QUOTED}))+\s*\]")
LONGEST = 10_000_000  # characters
BUILDERS = ("array", "list", "tuple", "int32", "int64", "float32", "float64", "str_")


def parse(text: str) -> object:
    """Returns what a text stands for, without running anything.

    Args:
        text: JSON, or what Python prints, NumPy's arrays included, as pandas writes into a CSV:
            `{'text': array(['Oslo'], dtype=object), 'answer_start': array([13])}`. Arrays
            without commas, `[0 1 2]`, are read too.

    Returns:
        Lists, dicts, texts, numbers, truth values or None.

    Raises:
        ValueError: It is none of these.
    """
    if len(text) > LONGEST:
        raise ValueError("a list longer than any")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    text = text.strip()
    try:
        with warnings.catch_warnings(action="ignore"):  # Of escapes that Python does not know.
            if ARRAY.fullmatch(text):
                return [ast.literal_eval(quoted) for quoted in re.findall(QUOTED, text)]
            return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    if text[:1] == "[" and text[-1:] == "]" and "," not in text:
        return [int(number) for number in text[1:-1].split()]
    raise ValueError("neither JSON nor a list of Python")


def parse_or_text(text: str) -> object:
    """Returns what a text stands for, or else the text."""
    try:
        return parse(text)
    except ValueError:
        return text


def _value(node):
    """The value of an expression that only names constants and what holds them."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part) for part in parts]
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]):
            if name in BUILDERS:
                return _value(first)
        case ast.Name(id="nan" | "null"):
            return None
    raise ValueError(f"{type(node).__name__} in a list")
