"""A classifier small enough for tests, its commands, and images to feed it."""

import functools

from PIL import Image

from tests.apps import commands
from tests.apps.commands import write_lines as write_rows

SETTINGS = {
    "dim": 16,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 1.0,
    "batch_size": 16,
    "epochs": 2,
    "warmup_steps": 2,
    "learning_rate": 0.01,
    "ema": 0.9,
}
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}

start = functools.partial(commands.start, "vision")
finish = functools.partial(commands.finish, "vision")
finish_here = functools.partial(commands.finish_here, "vision")


def write_classes(folder, counts, splits=("train",), size=8, mode="RGB"):
    """A folder per class of plain images, each of its colour and a little different."""
    for split in splits:
        for label, count in counts.items():
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                colour = tuple(value + number for value in COLOURS[label])
                image = Image.new("RGB", (size, size), colour).convert(mode)
                image.save(folder / split / label / f"{number}.png")
    return folder


def write_lines(folder, labels, split="train"):
    """The open layout: grey images, each of a level of its own."""
    rows = []
    for number, label in enumerate(labels):
        name = f"{split}-{number}.png"
        first = {"train": 0, "validation": 3, "test": 6}[split]
        Image.new("L", (8, 8), first + 10 * number).save(folder / name)
        rows.append({"file_name": name, "label": label})
    write_rows(folder / f"{split}.jsonl", rows)
    return folder
