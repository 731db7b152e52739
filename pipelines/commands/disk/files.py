"""What is written: whole or not at all, never through a link, and fit to be opened by anything."""

import contextlib
import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pipelines.commands.cluster import processes
from pipelines.commands.errors import UserError

# What spreadsheets take for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# The bound of the cache in gigabytes, for what is below the commands.
SIZE_VARIABLE = "ATTENTION_SUITE_CACHE_SIZE"
_TRIAL = bytes(1 << 16)  # A folder on a full disk still takes empty files.

os.umask(_UMASK := os.umask(0o077))


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives the name of a file to write, which takes the place of `path` once it is whole.

    Args:
        path: The file that is to be there in the end. The name that is given has its ending.

    Raises:
        UserError: It is a link: who made it might want another file to be overwritten.
    """
    path = Path(path)
    refuse_link(path)
    descriptor, name = tempfile.mkstemp(path.suffix, f".{path.stem[:60]}.", path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a text in UTF-8, as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Writes JSON, as `replacing` does."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: str | Path, rows: Iterable[object]) -> None:
    """Writes an object a line, as `replacing` does."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_csv(path: str | Path, rows: Iterable[Sequence]) -> None:
    """Writes a table, as `replacing` does; no cell of it is a formula."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([safe_cell(value) for value in row] for row in rows)


def safe_cell(value: object) -> object:
    """Returns a value of a table, with a quote before a text that a spreadsheet would compute."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    with contextlib.suppress(ValueError):
        float(value)
        return value
    return f"'{value}"


def make_folder(path: str | Path) -> Path:
    """Makes a folder for what a run is to write, unless it is there, and tries to write into it.

    Returns:
        Its path.

    Raises:
        UserError: It cannot be made or written to, or is a link.
    """
    path = Path(path)
    refuse_link(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from error
    check_writable(path)
    return path


def check_place(folder: Path) -> None:
    """Raises a `UserError` if a folder could not be made and written to; it is not made yet."""
    while not folder.exists():
        refuse_link(folder)
        folder = folder.parent
    check_writable(folder)


def check_writable(folder: str | Path) -> None:
    """Raises a `UserError` if a folder cannot be written to, before the work that is to be kept."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_TRIAL)
            file.flush()
    except OSError as error:
        raise UserError(f"cannot write to the folder {folder}: {error.strerror}") from error


def check_room(folder: str | Path, needed: int) -> None:
    """Raises a `UserError` if the disk of a folder has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"the disk of {folder} has {free / 1e6:,.1f} MB left, and the run needs about "
            f"{needed / 1e6:,.1f} MB"
        )


def refuse_link(path: Path) -> None:
    """Raises a `UserError` if there is a link of that name."""
    if path.is_symlink():
        raise UserError(f"{path} is a link, and nothing is written through one: remove it")


def cache_root() -> Path:
    """Returns the cache folder: `$ATTENTION_SUITE_CACHE`, else `~/.cache/attention-suite`.

    Raises:
        UserError: There is no home folder, and the variable is not set.
    """
    try:
        folder = os.environ.get("ATTENTION_SUITE_CACHE") or "~/.cache/attention-suite"
        return Path(folder).expanduser()
    except RuntimeError as error:  # Whoever runs this has no entry among the users.
        raise UserError(
            "there is no home folder for the cache: set ATTENTION_SUITE_CACHE to a folder"
        ) from error


class MapsFolder:
    """Where a prediction draws its attention maps.

    Args:
        asked: The folder that was asked for, or None.
        run: The run, in whose folder `predictions` they are drawn otherwise. Where that cannot be
            written to, there are no maps; the results are printed all the same.

    Raises:
        UserError: The folder that was asked for cannot be written to.
    """

    def __init__(self, asked: str | None, run: str | Path):
        self._problem = None
        self.folder = Path(asked).expanduser() if asked else Path(run) / "predictions"
        if asked and self.folder.is_symlink():  # Who names a link means it.
            self.folder = self.folder.resolve()
        try:
            make_folder(self.folder)
        except UserError as error:
            if asked:
                raise
            self._problem = f"{error}; --output FOLDER draws them elsewhere"

    def draw(self, draw: Callable, results: Sequence, most: int) -> str:
        """Draws the maps.

        Args:
            draw: Takes the folder, the results, and as `most` how many of them to draw at most;
                returns the path of what is to be looked at.
            results: What was predicted.
            most: As many of them, the first ones, have their maps drawn.

        Returns:
            The line that says where they are, or why there are none; nothing in all processes but
            the first, which draws them.
        """
        if not processes.first():
            return ""
        if self._problem:
            return f"no attention maps: {self._problem}"
        line = f"attention maps: {draw(self.folder, results, most=most)}"
        if len(results) > most:
            line += f" (the first {most:,} of {len(results):,}: --examples for more)"
        return line
