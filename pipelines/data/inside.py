"""Files that a data set names lie in its folder, unless the user allows others."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pipelines.commands.disk.files import cache_root
from pipelines.commands.errors import UserError


def check(folder: str | Path, paths: Iterable[Path]) -> None:
    """Makes sure that no file lies outside of a folder, and none leads there as a link.

    A data set may be a stranger's: what it names is shown on pages, which may be passed on.

    Args:
        folder: The folder of the data set, which may itself be reached by a link.
        paths: Paths that begin with it, and such as are absolute.

    Raises:
        UserError: One does.
    """
    roots = tuple(map(os.path.realpath, (folder, extracted())))

    @cache
    def is_inside(parent):
        return _leads_into(parent, roots)

    for path in paths:
        # Of many files in a few folders only links are looked up one by one.
        kept = is_inside(path.parent) and path.name != ".."
        if kept and os.path.islink(path):
            kept = _leads_into(path, roots)
        if not kept:
            raise UserError(
                f"{path} lies outside of the data set {folder}: "
                "give --allow-outside if you trust it, or copy the files into the folder"
            )


def extracted() -> Path:
    """Returns the folder for files that we take out of a data set, where it holds their bytes."""
    return cache_root() / "datasets" / "media"


def _leads_into(path: Path, roots: Iterable[str]) -> bool:
    if "\0" in str(path):  # No file has such a name.
        return True
    real = os.path.realpath(path)
    return any(os.path.commonpath([real, root]) == root for root in roots)
