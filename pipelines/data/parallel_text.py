"""Parallel text as machine translation has it: two plain files, line by line."""

import gzip
import zlib
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console


def read(source_file: str | Path, target_file: str | Path) -> list[dict]:
    """Reads a file and its translation.

    Args:
        source_file: As for `read_lines`.
        target_file: Line N is the translation of line N of `source_file`.

    Returns:
        Rows with `source` and `target`, neither blank. Pairs of which one side is blank are left
        out, and a line says how many.

    Raises:
        UserError: As `read_lines`; or the files do not have as many lines, or no pair is left.
    """
    sources, targets = read_lines(source_file), read_lines(target_file)
    if len(sources) != len(targets):
        raise UserError(
            f"{source_file} has {_lines(len(sources))}, {target_file} has {len(targets):,}: "
            "line N of one is to be the translation of line N of the other"
        )
    pairs = ((s.strip(), t.strip()) for s, t in zip(sources, targets, strict=True))
    rows = [{"source": source, "target": target} for source, target in pairs if source and target]
    if not rows:
        blank = "are both empty" if not sources else "have no line with text in both"
        raise UserError(f"{source_file} and {target_file} {blank}")
    if left_out := len(sources) - len(rows):
        console.print(
            f"{source_file}, {target_file}: {_lines(left_out)} left out, blank in one of the two"
        )
    return rows


def read_lines(path: str | Path) -> list[str]:
    r"""Reads the lines of a text file, blank ones too.

    Only "\n" and "\r\n" end a line: corpora hold other characters that `str.splitlines` splits at.

    Args:
        path: In UTF-8, with or without a byte-order mark, and packed where the name ends in ".gz".

    Returns:
        The lines, without their ends.

    Raises:
        UserError: It cannot be read, or is not in UTF-8.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a text file")
    if not path.exists():
        raise UserError(f"there is no file {path}")
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            data = file.read().removeprefix(b"\xef\xbb\xbf")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not in UTF-8") from None
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]  # What follows the last line's end is no line.
    return [line.removesuffix("\r") for line in lines]


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
