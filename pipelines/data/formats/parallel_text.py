"""Parallel text as machine translation has it: two plain files, line by line."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.formats.text_files import NOT_UTF8, is_utf8, lines

MARKUP = re.compile(r"<\w+[^<>]*>")  # IWSLT's: of a talk, its title and the like.


def read(source_file: str | Path, target_file: str | Path, tally: Tally) -> Iterator[dict]:
    """Reads a file and its translation.

    Args:
        source_file: As for `text_files.lines`.
        target_file: Line N is the translation of line N of `source_file`.
        tally: Counts the lines that are left out.

    Yields:
        Rows with `source` and `target`, neither blank: pairs with a blank side are left out.

    Raises:
        UserError: A file cannot be read; or they do not have as many lines, or are empty.
    """
    number = 0
    for number, pair in enumerate(itertools.zip_longest(lines(source_file), lines(target_file)), 1):
        if None in pair:
            sources, targets = (sum(1 for _ in lines(file)) for file in (source_file, target_file))
            raise UserError(
                f"{source_file} has {_lines(sources)}, {target_file} has {targets:,}: "
                "line N of one is to be the translation of line N of the other"
            )
        source, target = map(str.strip, pair)
        if not (source and target):
            tally.add("blank in one of the two files", f"{source_file}:{number}")
        elif MARKUP.match(source) and MARKUP.match(target):
            tally.add("markup, not text", f"{source_file}:{number}")
        elif not is_utf8(source + target):
            tally.add(NOT_UTF8, f"{source_file}:{number}")
        else:
            yield {"source": source, "target": target}
    if not number:
        raise UserError(f"{source_file} and {target_file} are both empty")


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
