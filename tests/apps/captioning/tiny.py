"""A captioner small enough for tests, and its commands."""

import functools

from PIL import Image

from tests.apps import commands
from tests.apps.commands import ROOT, flags, read_lines, refused, write_lines

__all__ = ["ROOT", "flags", "read_lines", "refused", "write_lines"]

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


start = functools.partial(commands.start, "captioning")
finish = functools.partial(commands.finish, "captioning")


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


def write_image(path, colour="red"):
    """A plain image; its path."""
    Image.new("RGB", (SIZE, SIZE), colour).save(path)
    return path


def write_images(folder, captions, splits=("train", "validation", "test")):
    """A data set of one plain image for each list of captions, the same in all splits."""
    rows = []
    for number, texts in enumerate(captions):
        grey = 255 * number // len(captions)
        write_image(folder / f"{number}.png", (grey, 255 - grey, 99))
        rows.append({"file_name": f"{number}.png", "captions": texts})
    for split in splits:
        write_lines(folder / f"{split}.jsonl", rows)
    return folder
