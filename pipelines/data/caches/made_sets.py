"""Data sets that are made once and kept, whole and as they were made."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.commands.terminal import console
from pipelines.data.caches import room
from pipelines.data.caches.file_keys import file_keys
from pipelines.data.caches.row_cache import digest, disk_errors

MANIFEST = ".manifest"  # A line for each file: size, digest and name.


def make_once(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Makes a data set, unless it is there as it was made.

    Args:
        folder: Where it is to be.
        name: What messages call it.
        write: Fills a temporary folder, which gets its name once it is whole.

    Returns:
        The folder.

    Raises:
        UserError: The disk is full or may not be written to; or as `write`.
    """
    room.sweep(folder.parent)
    if folder.is_dir():
        room.hold(folder)
        if (wrong := damage(folder)) is None:
            return folder
        console.print(f"the data set {name} in {folder} is damaged ({wrong}): it is made again")
        room.let_go(folder)
        with disk_errors(folder):
            shutil.rmtree(folder)
    else:
        console.print(f"making the data set {name} in {folder}")
    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            room.hold(unfinished)
            write(unfinished)
            _write_manifest(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # Else another run was faster, and made the same.
                raise
        finally:
            room.let_go(unfinished)
            shutil.rmtree(unfinished, ignore_errors=True)
    room.hold(folder)
    room.make_room(0, folder, f"the data set {name}")
    return folder


def damage(folder: Path) -> str | None:
    """Returns what is no longer as it was made, or None."""
    try:
        first, _, rest = (folder / MANIFEST).read_text("utf-8").partition("\n")
        if first != digest(rest).hex():
            return f"its list of files, {MANIFEST}"
        listed = [line.split(" ", 2) for line in rest.split("\n") if line]
    except (OSError, ValueError):
        return f"no list of files, {MANIFEST}"
    paths = [folder / name for _, _, name in listed]
    for path, (size, _, name) in zip(paths, listed, strict=True):
        if not path.is_file() or path.stat().st_size != int(size):
            return name
    for found, (_, expected, name) in zip(file_keys(paths, folder.parents[1]), listed, strict=True):
        if found != expected:
            return name
    return None


def _write_manifest(folder: Path) -> None:
    paths = list(_files(folder))
    lines = [
        f"{path.stat().st_size} {key} {path.relative_to(folder)}\n"
        for path, key in zip(paths, file_keys(paths, folder.parents[1]), strict=True)
    ]
    text = "".join(lines)
    (folder / MANIFEST).write_text(f"{digest(text).hex()}\n{text}", "utf-8")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != room.MARK:
            yield path
