"""The files that the rows of a data set name: where they are, whichever way they are named."""

import os
import unicodedata
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError, check_utf8
from pipelines.data.split_names import split_of


class Index:
    """All files under a folder, by name; looked up only where a path does not lead to one.

    Args:
        root: The folder of the data set.
        endings: Those of its media, such as ".png".
    """

    def __init__(self, root: Path, endings: Container[str]):
        self.root, self.endings = root, endings
        self._by_name: dict[str, list[str]] | None = None

    def path(self, name: str, folder: Path, split: str | None = None) -> Path:
        """Returns the path of a file that a row names.

        Args:
            name: A path relative to `folder` or to the data set, or the end of one, as another
                machine or system writes it; its ending may be missing, as in tables of identifiers.
            folder: That of the file which holds the row.
            split: The split of the row, whose folder is preferred.

        Returns:
            The file; where there is none, or more than one that it may be, the path in `folder`.
        """
        for base in (folder, self.root):
            if os.path.isfile(path := os.path.join(base, name)):
                return Path(path)
        return self._find(name, folder, split) or folder / name

    def _find(self, name: str, folder: Path, split: str | None) -> Path | None:
        *parents, last = _parts(name) or [""]
        for key in (last, os.path.splitext(last)[0]):
            found = self._names.get(key, ())
            if len(found) > 1 or (found and parents):
                found = self._nearest(found, parents, folder, split)
            if len(found) == 1:
                return Path(found[0])
        return None

    def _nearest(self, found: Sequence[str], parents: list[str], folder: Path, split: str | None):
        """Those that share most of the end of their path with the name; of the folder, the split.

        A name in the folder of one split does not mean a file of another.
        """
        told = next(filter(None, map(split_of, reversed(parents))), split)
        start = len(os.fspath(self.root))
        splits = {path: _split_of(path[start:]) for path in found}
        found = [path for path in found if not told or splits[path] in (None, told)]

        def rank(path: str) -> tuple[int, bool, bool]:
            shared = 0
            for one, other in zip(_parts(path)[-2::-1], reversed(parents), strict=False):
                if one != other:
                    break
                shared += 1
            is_near = path.startswith(os.path.join(folder, ""))
            return shared, is_near, bool(told) and splits[path] == told

        best = max(map(rank, found), default=None)
        return [path for path in found if rank(path) == best]

    @property
    def _names(self) -> dict[str, list[str]]:
        if self._by_name is None:
            self._by_name = {}
            for path in _walk(os.fspath(self.root), self.endings, ()):
                name = _plain(os.path.basename(path))
                for key in {name, os.path.splitext(name)[0]}:
                    self._by_name.setdefault(key, []).append(path)
        return self._by_name


def walk(folder: str | Path, endings: Container[str]) -> Iterator[Path]:
    """Yields all files under a folder with one of the endings, in order; hidden ones are none.

    Links to folders are followed, none of them to a folder that it is in.
    """
    yield from map(Path, _walk(os.fspath(folder), endings, ()))


def _walk(folder: str, endings: Container[str], above: tuple) -> Iterator[str]:
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_dir():
                folders.append(entry)
            elif os.path.splitext(entry.name)[1].lower() in endings and entry.is_file():
                names.append(entry.name)
    for name in sorted(names):
        yield os.path.join(folder, name)
    if folders:
        status = os.stat(folder)
        above = (*above, (status.st_dev, status.st_ino))
    for entry in sorted(folders, key=lambda entry: entry.name):
        if entry.is_symlink():
            status = entry.stat()
            if (status.st_dev, status.st_ino) in above:
                continue
        yield from _walk(entry.path, endings, above)


def find_media(path: str | Path, endings: Container[str], kind: str) -> list[Path]:
    """Returns the file itself, or all files of a folder that end like media of a kind.

    Args:
        path: A file, whatever its ending, or a folder.
        endings: Those of the kind, such as ".png", in lower case.
        kind: What a message calls one, such as "image".

    Raises:
        UserError: There is none, or the name of one is not in UTF-8.
    """
    path = Path(path).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"there is no {kind} or folder {path}")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in endings)
    if not files:
        raise UserError(f"there is no {kind} in {path}")
    for file in files:
        check_utf8(file)
    return files


def check(folder: str | Path, rows: Sequence[dict]) -> None:
    """Makes sure that not all files of rows are missing.

    Raises:
        UserError: All are.
    """
    if rows and not any(os.path.isfile(row["path"]) for row in rows):
        raise UserError(
            f"none of the files that {folder} names is there, not even {rows[0]['path']}"
        )


def _parts(name: str) -> list[str]:
    return [_plain(part) for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _plain(name: str) -> str:
    """A name as it is compared: composed, in any case."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _split_of(path: str) -> str | None:
    """The split that the folders of a file tell."""
    return next(filter(None, map(split_of, reversed(path.split(os.sep)[:-1]))), None)
