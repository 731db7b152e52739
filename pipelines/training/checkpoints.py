"""Checkpoints of a training that is under way: all that its next step depends on."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops

from pipelines.commands.cluster import processes
from pipelines.commands.disk import files
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.training.distributed import shards

VERSION = 1
KEPT = 2
VARIABLES, MANIFEST = "variables.npz", "manifest.json"
SHARDS = "variables"  # In place of the first, of several processes.
LARGEST_MANIFEST = 1 << 26
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is whole.

    Attributes:
        folder: Where it lies.
        state: What `save` was given beside the variables.
        described: Path, shape and type of each variable.
    """

    folder: Path
    state: dict
    described: list

    def assign(self, variables: Sequence) -> None:
        """Gives variables the values that they had.

        Raises:
            UserError: They are not those of the model that was saved.
        """
        saved, wanted = _compared(self.described), _compared(_describe(variables))
        if saved != wanted:
            found = next((one for one in saved if one not in wanted), [f"{len(saved)} variables"])
            raise UserError(
                f"{self.folder} is a checkpoint of another model than this one: it has "
                + " ".join(map(str, found))
            )
        if (self.folder / SHARDS).is_dir():
            shards.assign(self.folder / SHARDS, variables)
            return
        with np.load(self.folder / VARIABLES, allow_pickle=False) as values:
            for number, variable in enumerate(variables):
                value = values[str(number)]
                variable.assign(value.view(variable.dtype) if value.dtype.kind == "V" else value)


def save(folder: Path, step: int, variables: Sequence, state: dict, keep: int = KEPT) -> None:
    """Writes a checkpoint: whole and on the disk under its name, or not at all.

    Several processes write it together, and each has to call this.

    Args:
        folder: Of all checkpoints of a run.
        step: Names it; a later one is larger.
        variables: Of the model and its optimizer.
        state: What else the next step depends on, as JSON takes it.
        keep: How many of the newest stay.

    Raises:
        UserError: The folder cannot be written to.
    """
    final, temporary = processes.from_first(lambda: _names(folder, step))
    try:
        path = _write(temporary, variables)
        if processes.first():
            manifest = {
                "version": VERSION,
                "digest": _digest(path),
                "variables": _describe(variables),
                "state": state,
            }
            text = json.dumps(manifest, ensure_ascii=False)
            (temporary / MANIFEST).write_text(text, "utf-8")
            for path in (*temporary.rglob("*"), temporary):
                _sync(path)
            os.replace(temporary, final)
            _sync(folder)
            for old in everything(folder)[:-keep]:
                shutil.rmtree(old, ignore_errors=True)
    finally:
        if processes.first():
            shutil.rmtree(temporary, ignore_errors=True)


def _names(folder, step):
    """The name of a checkpoint, and a folder to write it in."""
    files.refuse_link(folder)
    for left in folder.glob(".step-*"):  # Of a process that was killed.
        shutil.rmtree(left, ignore_errors=True)
    name = f"step-{step:010}"
    # A stage may end, and the next begin, at one step; the first of its checkpoints may have gone.
    again = [int(path.name[len(name) + 1 :] or 0) for path in folder.glob(f"{name}*")]
    final = folder / (f"{name}-{max(again) + 1}" if again else name)
    return final, Path(tempfile.mkdtemp(prefix=".step-", dir=folder))


def _write(folder, variables):
    """Writes the values of the variables into a folder; returns the path of what was written."""
    if not processes.alone():
        shards.save(folder / SHARDS, variables)
        return folder / SHARDS
    arrays = {str(n): ops.convert_to_numpy(value) for n, value in enumerate(variables)}
    np.savez(folder / VARIABLES, **arrays)
    return folder / VARIABLES


def newest(folder: Path) -> Checkpoint | None:
    """Returns the newest checkpoint that is whole; a line tells of each newer one that is not.

    Raises:
        UserError: There are some, but none is whole, or one is of a later version of this suite.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder of checkpoints")
    found = everything(folder)
    for path in reversed(found):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            console.print(f"{path} is damaged ({error}): the checkpoint before it is used")
    if found:
        raise UserError(f"no checkpoint in {folder} is whole: --resume never begins anew")
    return None


def _read(folder: Path) -> Checkpoint:
    try:
        manifest = read_json(folder / MANIFEST, "a checkpoint", LARGEST_MANIFEST)
    except UserError as error:
        raise ValueError(str(error)) from error
    version = manifest["version"]
    if version > VERSION:
        raise UserError(
            f"{folder} is of a newer version of this suite: its checkpoints have version "
            f"{version}, and this one reads {VERSION}"
        )
    values = folder / (SHARDS if (folder / SHARDS).is_dir() else VARIABLES)
    if _digest(values) != manifest["digest"]:
        raise ValueError(f"{values.name} is not what was written")
    return Checkpoint(folder, manifest["state"], manifest["variables"])


def everything(folder: Path) -> list[Path]:
    """Returns the folders of all checkpoints, the newest last."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"step-\d+(-\d)?", path.name))


def _describe(variables: Sequence) -> list:
    return [[v.path, list(v.shape), str(v.dtype)] for v in variables]


def _compared(described: list) -> list:
    """What must be equal: layers and optimizers are numbered by what a process made before them."""
    names = [re.sub(r"_\d+", "", path.rpartition("/")[2]) for path, _, _ in described]
    return [[name, *kind] for name, (_, *kind) in zip(names, described, strict=True)]


def _digest(path: Path) -> str:
    """The digest of a file, or of all files in a folder and their names."""
    digest, whole = hashlib.sha256(), [path]
    if path.is_dir():
        whole = [each for each in sorted(path.rglob("*")) if each.is_file()]
    for each in whole:
        digest.update(str(each.relative_to(path)).encode() if each != path else b"")
        with open(each, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Some file systems have no such thing for a folder.
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
