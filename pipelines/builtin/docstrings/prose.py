"""The prose of a docstring, without its code, tables, types and markup."""

import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

HEADING = re.compile(
    r"((Other |Keyword |Call )?(Args|Arg(ument)?s?|Param(eter)?s?|Returns?|Yields?|Attributes"
    r"|Raises?|(Output |Input )?shapes?|Inputs?|Outputs?|Notes?|Warns?|Warnings?|Examples?|Usage"
    r"|Example usage|References?|See also|Methods|Citation|Reference\(s\)|Todo)):",
    re.IGNORECASE,
)
# The other sections tell little of what the thing is.
TELLING = re.compile(r"Arg|Param|Return|Yield|Input|Output|Note|Attribute", re.IGNORECASE)
UNDERLINE = re.compile(r"([-=~^*])\1{2,}")
FIELD = re.compile(r"[:@](\w+)[^:]*:(?!`)\s*")
FIELD_HEADINGS = {"param": "Args", "return": "Returns", "returns": "Returns"}
ITEM = re.compile(r"(?:[-*+•]|\d+[.)]|\(\w\))\s+")
ARGUMENT = re.compile(r"(\*{0,2}[\w.]+(?:, \*{0,2}\w+)*) ?(?:\([^()]*\))? ?:(?!:)")
# The rest of a paragraph, from the first such line on, is an example or a table.
EXAMPLE = re.compile(r">>>|\.\.\. |\||\+[-=]|[=-]{3,} +[=-]{3,}")
MARKUP = (
    (re.compile(r":[\w:+-]+:`+[~!.]?([^`<]+?)\s*(?:<[^`]*>)?`+"), r"\1"),
    (re.compile(r"!?\[([^]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"`+([^`<]*?)\s*(?:<[^`]*>)?`+_*"), r"\1"),
    (re.compile(r"(?<![\w*])(\*{1,2}|__)(?=\w)([^*]+?)\1(?!\w)"), r"\2"),
    (re.compile(r"@(end_)?compatibility(\([^)]*\))?"), ""),
    (re.compile(r"\s*\[[\d, ]+\]_"), ""),
    (re.compile(r"\s+"), " "),
)
SENTENCE_END = re.compile(r"(?<![.\s]\w)(?<!\bvs)(?<!\bcf)[.!?][\"')]*(?=\s|$)")


def split(docstring: str, least: int, most: int) -> tuple[str, str]:
    """Splits a docstring into its first sentence and what the rest of it says.

    The rest is the description; where that is too short, also the sections on arguments, results
    and notes.

    Args:
        docstring: As it is in the source.
        least: Words that are enough for the rest.
        most: Words at which it is cut off: after a sentence, or where this leaves less than
            `least`, within one.

    Returns:
        Two lines of prose; empty where there is nothing.
    """
    head, _, body = inspect.cleandoc(docstring).partition("\n\n")
    first, *told = sentences(_plain(head)) or [""]
    pieces = [
        (heading, _plain(text)) for heading, text in _pieces(_without_code(body.splitlines()))
    ]
    told += [text for heading, text in pieces if not heading]
    if sum(len(text.split()) for text in told) < least:
        told += [
            text
            for heading, text in pieces
            if TELLING.search(heading) and not text.endswith(":")  # An argument with a type alone.
        ]
    ended = [text if text[-1] in ".!?:;," else f"{text}." for text in told if text]
    return first, _cut(" ".join(ended), least, most)


def sentences(text: str) -> list[str]:
    """Splits a line of prose into its sentences; "e.g." and the like end none."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    parts = [text[i:j].strip() for i, j in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [part for part in parts if part]


def _cut(text: str, least: int, most: int) -> str:
    """Keeps whole sentences up to `most` words; words, where those would be less than `least`."""
    kept = []
    for sentence in sentences(text):
        words = sentence.split()
        if len(kept) + len(words) > most:
            return " ".join(kept if len(kept) >= least else (kept + words)[:most])
        kept += words
    return " ".join(kept)


def _without_code(lines: Iterable[str]) -> Iterator[str]:
    """Leaves out examples, fenced and literal blocks, directives and tables."""
    fenced = example = False
    block = None  # The indentation of what began a block: the block is what lies deeper.
    for line in lines:
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if not bare:
            example = False
            yield ""
            continue
        if bare.startswith(("```", "~~~")):
            fenced = not fenced
            continue
        if block is not None and indent <= block:
            block = None
        example = example or EXAMPLE.match(bare) is not None
        if fenced or example or block is not None:
            continue
        if bare.startswith(".. ") or bare.endswith("::"):
            block = indent
            line = "" if bare.startswith(".. ") or bare == "::" else line.rstrip()[:-1]
        yield line


def _pieces(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields the heading ("" for none) and the text of each paragraph, list item and argument."""
    heading, text = "", ""
    numpydoc = False  # Whether the heading is underlined; a section of Google's style is indented.
    base = depth = 0  # Indentation of the heading, and of the arguments below it.
    for line, following in pairwise([*lines, ""]):
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        if heading and not numpydoc and bare and indent <= base:
            yield heading, text
            heading, text = "", ""
        underlined = bool(bare and UNDERLINE.fullmatch(following.strip()))
        if underlined or HEADING.fullmatch(bare):
            yield heading, text
            heading, text, numpydoc, base, depth = bare, "", underlined, indent, None
        elif UNDERLINE.fullmatch(bare):
            continue
        elif field := FIELD.match(bare):
            yield heading, text
            heading, text = FIELD_HEADINGS.get(field[1], field[1]), bare[field.end() :]
            numpydoc, base, depth = False, indent, indent
        elif not bare or ITEM.match(bare):
            yield heading, text
            text = ITEM.sub("", bare, count=1)
        elif not heading or indent > (depth := indent if depth is None else depth):
            text += f" {bare}"
        elif argument := ARGUMENT.match(bare):
            yield heading, text
            # What follows after numpydoc's colon is the type.
            text = f"{argument[1]}:" + ("" if numpydoc else bare[argument.end() :])
        elif numpydoc:
            yield heading, text
            text = bare
        else:
            text += f" {bare}"
    yield heading, text


def _plain(text: str) -> str:
    for pattern, replacement in MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()
