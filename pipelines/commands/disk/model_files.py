"""Saved models, looked through before they are opened: whole, within memory, and of one piece."""

import zipfile
from pathlib import Path

from pipelines.commands.disk.bounded import LARGEST_JSON, memory, open_file, size_name
from pipelines.commands.errors import UserError, reading

WEIGHTS, CONFIG = "model.weights.h5", "config.json"


def check(path: str | Path, what: str = "a model") -> None:
    """Makes sure that a `.keras` file can be opened without harm.

    Its weights may be packed many times over, and HDF5 can have them lie in other files.

    Args:
        path: The file.
        what: What it is to be.

    Raises:
        UserError: It is not whole, does not fit into memory, or points to other files.
    """
    with reading(path, what), open_file(path):
        if not zipfile.is_zipfile(path):
            raise ValueError("it is empty or truncated")
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            _check_size(path, size)
            if archive.getinfo(CONFIG).file_size > LARGEST_JSON:
                raise ValueError(f"its {CONFIG} has more than {size_name(LARGEST_JSON)}")
            with archive.open(WEIGHTS) as weights:
                _check_size(path, _bytes_of(weights))


def _check_size(path, size: int) -> None:
    if size > memory():
        raise UserError(f"{path} holds {size_name(size)}, more than fits into memory")


def _bytes_of(file) -> int:
    """How many bytes the weights of a file take, all of which it holds itself."""
    import h5py

    total, seen = 0, set()
    with h5py.File(file) as weights:
        groups = [weights]
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError("its weights are links to others")
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                elif item.external or item.is_virtual:
                    raise ValueError("its weights lie in other files")
                else:
                    total += item.nbytes
    return total
