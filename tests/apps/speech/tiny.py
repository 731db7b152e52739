"""A recognizer small enough for tests, its commands, and melodies whose notes are the words."""

import functools

import numpy as np
import soundfile

from tests.apps import commands
from tests.apps.commands import ROOT, flags, read_lines, refused, write_lines

__all__ = ["ROOT", "flags", "read_lines", "refused", "write_lines"]

RATE = 16000
NOTES = {"do": 300, "re": 460, "mi": 700, "fa": 1070, "so": 1640, "la": 2500}

MODEL = {
    "encoder": "conformer",
    "dim": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "num_heads": 2,
    "mlp_dim": 16,
    "kernel_size": 3,
    "filters": 4,
    "dropout": 0.0,
    "units": "word",
    "vocabulary_size": 16,
    "max_target": 13,
}
SETTINGS = {
    **MODEL,
    "beams": 2,
    "seconds_per_batch": 8.0,
    "epochs": 2,
    "steps_per_execution": 1,  # Each is traced anew.
    "warmup_steps": 2,
    "learning_rate": 0.01,
    "speed_perturbation": False,
    "noise": False,
    "time_masks": 0,
    "frequency_masks": 0,
}

start = functools.partial(commands.start, "speech")
finish = functools.partial(commands.finish, "speech")
finish_here = functools.partial(commands.finish_here, "speech")


def sing(words, seconds=0.2):
    """Samples of one note after the other, with short rests; and where each begins, in seconds."""
    time = np.arange(round(seconds * RATE)) / RATE
    envelope = np.sin(np.pi * time / seconds) ** 0.5
    rest = np.zeros(RATE // 20)
    parts, starts = [rest], []
    for word in words:
        starts.append(sum(map(len, parts)) / RATE)
        parts += [0.5 * envelope * np.sin(2 * np.pi * NOTES[word] * time), rest]
    return np.concatenate(parts).astype("float32"), starts


def melodies(count, seed=0, shortest=2, longest=6):
    """Lists of notes, no two the same."""
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        melody = tuple(rng.choice(list(NOTES), rng.integers(shortest, longest + 1)).tolist())
        found[melody] = None
    return list(found)


def write_tones(folder, train=23, validation=3, test=3):
    """A data set in the open layout.

    All lengths differ a little, so that batches are padded, and have one shape: each further one is
    a computation that is traced anew.
    """
    counts = {"train": train, "validation": validation, "test": test}
    words = iter(melodies(sum(counts.values()), shortest=3, longest=3))
    for split, count in counts.items():
        rows = []
        for number in range(count):
            melody, name = next(words), f"{split}_{number}.flac"
            samples = np.pad(sing(melody)[0], (0, number % 5 * RATE // 100))
            soundfile.write(folder / name, samples, RATE)
            rows.append({"file_name": name, "text": " ".join(melody)})
        write_lines(folder / f"{split}.jsonl", rows)
    return folder
