"""Parallel text as machine translation has it: two plain files, line by line."""

import re
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.formats.text_files import NOT_UTF8, is_utf8, lines

MARKUP = re.compile(r"<\w+[^<>]*>")  # IWSLT's: of a talk, its title and the like.


def read(source_file: str | Path, target_file: str | Path, tally: Tally) -> list[dict]:
    """Reads a file and its translation.

    Args:
        source_file: As for `text_files.lines`.
        target_file: Line N is the translation of line N of `source_file`.
        tally: Counts the lines that are left out.

    Returns:
        Rows with `source` and `target`, neither blank: pairs with a blank side are left out.

    Raises:
        UserError: A file cannot be read; or they do not have as many lines, or are empty.
    """
    sources, targets = list(lines(source_file)), list(lines(target_file))
    if len(sources) != len(targets):
        raise UserError(
            f"{source_file} has {_lines(len(sources))}, {target_file} has {len(targets):,}: "
            "line N of one is to be the translation of line N of the other"
        )
    if not sources:
        raise UserError(f"{source_file} and {target_file} are both empty")
    rows = []
    for number, pair in enumerate(zip(sources, targets, strict=True), 1):
        source, target = map(str.strip, pair)
        if not (source and target):
            tally.add("blank in one of the two files", f"{source_file}:{number}")
        elif MARKUP.match(source) and MARKUP.match(target):
            tally.add("markup, not text", f"{source_file}:{number}")
        elif not is_utf8(source + target):
            tally.add(NOT_UTF8, f"{source_file}:{number}")
        else:
            rows.append({"source": source, "target": target})
    return rows


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
