"""A captioner small enough for tests, and the ways to call its commands."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]

SIZE = 48
GRID = (4, 4)
MODEL = {
    "decoder": "rnn",
    "decode": "greedy",
    "concept_weight": 0.0,
    "image_size": SIZE,
    "dim": 16,
    "num_heads": 2,
    "decoder_layers": 1,
    "max_tokens": 12,
}
SETTINGS = {
    **MODEL,
    "batch_size": 8,
    "epochs": 2,
    "warmup_steps": 2,
    "learning_rate": 0.01,
    "ema": 0.99,
}


def flags(**settings):
    """Settings as they are written on the command line."""
    words = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return words


def start(command, *arguments, folder):
    """Starts `python -m apps.captioning.COMMAND` in a folder, with pipes to both outputs."""
    # A test run in the background ignores the interrupt key, and its children would inherit that.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", f"apps.captioning.{command}", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, previous)


@dataclass(frozen=True)
class Result:
    """What a finished command left behind: exit status, outputs, and the folder it ran in."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def run(self):
        return self.folder / "runs" / "captioning" / "tiny"


def finish(command, *arguments, folder):
    process = start(command, *arguments, folder=folder)
    out, err = process.communicate(timeout=300)
    return Result(process.returncode, out, err, Path(folder))


def refused(main, arguments, capsys):
    """The one line with which a command refuses its arguments."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def TinyNet(include_top, weights, input_shape):
    """A network as those of Keras Applications are, of the same weights each time."""
    import keras

    assert not include_top and weights == "imagenet"
    pixels = keras.Input(input_shape)
    kernel = keras.initializers.RandomNormal(stddev=1.0, seed=0)
    x = keras.layers.Conv2D(8, 3, strides=12, padding="same", kernel_initializer=kernel)(pixels)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(pixels, keras.layers.ReLU()(x), name="tiny_net")


def preprocess_input(pixels, data_format):
    """Scales for `TinyNet`; found beside it, as in Keras Applications."""
    return pixels / 255.0


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write_pictures(folder, captions, splits=("train", "validation", "test")):
    """A data set of one plain picture for each list of captions, the same in all splits."""
    rows = []
    for number, texts in enumerate(captions):
        grey = 255 * number // len(captions)
        Image.new("RGB", (SIZE, SIZE), (grey, 255 - grey, 99)).save(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "captions": texts})
    for split in splits:
        write_lines(folder / f"{split}.jsonl", rows)
    return folder
