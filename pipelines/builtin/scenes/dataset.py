"""Writes the images and captions of scenes to a folder, in the open layout."""

import os
import subprocess
import sys
from pathlib import Path

from pipelines.commands.disk import files
from pipelines.commands.errors import UserError

from .language import captions
from .render import render
from .world import SPLITS, sample_scene

VERSION = "7"  # to be raised with every change of the images, the captions or the layout


def write(
    folder: Path, train: int = 8_400, validation: int = 500, test: int = 500, seed: int = 0
) -> None:
    """Writes images of scenes with captions, on all cores.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl`, `test.jsonl` and `images/*.png`. A line
            holds `file_name`, `captions` (five), `background`, and `objects` (`shape`, `color`,
            `size`, `texture`, and `box` as `[x0, y0, x1, y1]` in pixels).
        train: number of training images.
        validation: number of validation images.
        test: number of test images.
        seed: another seed gives other images under the same rule of which split they belong to.

    Raises:
        UserError: if the machine refuses, as where the disk is full.
        RuntimeError: if a process could not write its part for another reason.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    workers = os.cpu_count() or 1
    # Fresh interpreters, no fork: the caller may hold TensorFlow's threads, and multiprocessing
    # would import the caller's main module again.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    processes = []
    for worker in range(workers):
        share = (worker, workers, train, validation, test)
        arguments = map(str, (folder, os.getpid(), seed, *share))
        command = [sys.executable, "-m", __package__, *arguments]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        processes.append(process)
    try:
        told = [process.communicate()[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, text in zip(processes, told, strict=True):
        if process.returncode == 2:  # What the machine refuses is one line there too.
            raise UserError(text.strip().removeprefix("error: "))
        if process.returncode:
            raise RuntimeError(f"A process could not write to {folder}:\n{text}")
    for split in SPLITS:
        parts = [_part(folder, split, worker) for worker in range(workers)]
        with (folder / f"{split}.jsonl").open("wb") as lines:
            for part in parts:
                lines.write(part.read_bytes())
                part.unlink()


def write_part(
    folder: Path, parent: int, seed: int, worker: int, workers: int, *counts: int
) -> None:
    """Writes one worker's share of each split: its images, and a file with its lines.

    It ends when the process `parent` is no longer the one that waits for it.
    """

    def rows(split, share):
        for index in share:
            if os.getppid() != parent:  # It was killed, and nobody waits for the rest.
                raise SystemExit(1)
            yield _write_image(folder, seed, split, index)

    for split, count in zip(SPLITS, counts, strict=True):
        share = range(count * worker // workers, count * (worker + 1) // workers)
        files.write_json_lines(_part(folder, split, worker), rows(split, share))


def _write_image(folder: Path, seed: int, split: str, index: int) -> dict:
    """Writes one image, and returns its line."""
    scene = sample_scene(seed, split, index)
    name = f"images/{split}-{index:06d}.png"
    render(scene).save(folder / name, compress_level=1)
    return {
        "file_name": name,
        "captions": captions(scene),
        "objects": [thing.truth for thing in scene.things],
        "background": scene.background,
    }


def _part(folder: Path, split: str, worker: int) -> Path:
    return folder / f"{split}.{worker}.part"
