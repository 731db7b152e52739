"""Removes the caches and tells what that frees: `python -m pipelines.data.caches.clean`."""

import argparse
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands import errors
from pipelines.commands.disk.files import cache_root
from pipelines.commands.run_data import OWN_RUNS
from pipelines.data.caches import room


def clean(root: Path, keep: bool = False) -> Iterator[str]:
    """Removes what a cache holds, but not what a run is using.

    Args:
        root: The cache folder.
        keep: Whether to tell only what there is.

    Yields:
        A line for each part, and one for all.
    """
    freed = 0
    for part in room.parts(root):
        line = f"{part.size / 1e6:>10,.1f} MB  {part.path.relative_to(root)}"
        line += f"  (last used {time.strftime('%Y-%m-%d', time.localtime(part.used))})"
        if keep or room.remove(part.path):
            freed += part.size
            yield line
        else:
            yield f"{line}: in use, kept"
    for path in sorted(root.iterdir() if root.is_dir() else ()):
        if path.name == OWN_RUNS or any(path.rglob(room.MARK)):
            continue
        if size := room.size_of(path):  # Of an earlier version, or half made.
            yield f"{size / 1e6:>10,.1f} MB  {path.name}  (leftovers)"
            freed += size
        if not keep:
            _remove(path)
    yield f"{freed / 1e6:>10,.1f} MB  {'in' if keep else 'freed in'} {root}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@errors.main
def main(argv=None):
    """Prints what the caches hold, and removes it."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.data.caches.clean", description=__doc__
    )
    parser.add_argument(
        "--keep", action="store_true", help="tell what there is, and remove nothing"
    )
    for line in clean(cache_root(), parser.parse_args(argv).keep):
        print(line)


if __name__ == "__main__":
    main()
