"""Peak memory of training on prepared pictures and sound: that of ten times less."""

import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.apps import commands
from tests.apps.commands import flags
from tests.apps.test_memory import peak

COUNT = 601
CAPTIONING = {
    **{"decoder": "rnn", "dim": 8, "num_heads": 1, "concept_weight": 0.0, "decode": "greedy"},
    **{"epochs": 1, "batch_size": 8},
}
SPEECH = {
    **{"encoder": "lstm", "dim": 8, "encoder_layers": 1, "num_heads": 1, "mlp_dim": 8},
    **{"decode": "ctc", "epochs": 3, "max_validation": 7, "steps_per_execution": 1},
}


def write_pictures(folder, count, rng):
    """Noise, of which a tenth is enough for files, and all of which fills memory as pixels."""
    for number in range(count):
        noise = rng.integers(0, 256, (16, 16, 3), "uint8")
        Image.fromarray(noise).save(folder / f"{number}.png")
        yield {"file_name": f"{number}.png", "captions": [f"noise {number % 97}"]}


def write_sounds(folder, count, rng):
    for number in range(count):
        samples = rng.uniform(-0.1, 0.1, 16_000 + 160 * (number % 7))
        soundfile.write(folder / f"{number}.flac", samples, 8_000)
        yield {"file_name": f"{number}.flac", "text": f"no {number % 97}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "write", "prepared", "settings"),
    [
        ("captioning", write_pictures, {"image_size": 160}, CAPTIONING),
        ("speech", write_sounds, {"speed_perturbation": True}, SPEECH),
    ],
)
def test_ten_times_the_examples_take_as_much_memory(app, write, prepared, settings, tmp_path):
    peaks, rng = [], np.random.default_rng(0)
    for count in (COUNT, 10 * COUNT):
        folder = tmp_path / str(count)
        folder.mkdir()
        for split, part in (("train", count), ("validation", 11), ("test", 13)):
            (folder / split).mkdir()
            with open(folder / f"{split}.jsonl", "w", encoding="utf-8") as file:
                for row in write(folder / split, part, rng):
                    row["file_name"] = f"{split}/{row['file_name']}"
                    file.write(json.dumps(row) + "\n")
        words = flags(dataset=folder, output=folder / "set", **prepared)
        assert commands.finish(app, "prepare", *words, folder=folder).status == 0
        peaks.append(peak(app, {**settings, "dataset": folder / "set"}, folder))
    assert peaks[1] <= 1.1 * peaks[0], peaks
