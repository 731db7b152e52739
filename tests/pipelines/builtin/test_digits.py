from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipelines.builtin import digits
from tests.pipelines.builtin import rows as rows_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    digits.write(folder)
    return folder


@pytest.fixture(scope="module")
def splits(folder):
    return rows_of.read(folder)


def test_the_pictures_are_the_scans(folder, splits):
    scans = load_digits()
    rows = [row for rows in splits.values() for row in rows]
    assert sorted(int(row["file_name"][7:11]) for row in rows) == list(range(1797))
    for row in rows[::50]:
        number = int(row["file_name"][7:11])
        with Image.open(folder / row["file_name"]) as picture:
            assert (picture.mode, picture.size) == ("L", (8, 8))
            levels = np.asarray(picture) / 255 * 16
        np.testing.assert_array_equal(np.rint(levels), scans.images[number])
        assert row["label"] == str(scans.target[number])


def test_every_split_has_its_share_of_every_digit(splits):
    assert {split: len(rows) for split, rows in splits.items()} == {
        "train": 1253,
        "validation": 180,
        "test": 364,
    }
    whole = Counter(load_digits().target.tolist())
    for split, share in digits.SHARES.items():
        counts = Counter(int(row["label"]) for row in splits[split])
        for digit in range(10):
            assert abs(counts[digit] - share * whole[digit]) <= 1


def test_writing_again_gives_the_same(folder, tmp_path):
    digits.write(tmp_path)
    for split in rows_of.SPLITS:
        assert (tmp_path / f"{split}.jsonl").read_bytes() == (
            folder / f"{split}.jsonl"
        ).read_bytes()


def test_equal_scans_share_a_split():
    scans = np.repeat(np.arange(20, dtype="uint8"), 64).reshape(20, 8, 8)
    splits = digits._splits(np.concatenate([scans, scans[::-1]]))
    assert splits[:20] == splits[:19:-1]
    assert Counter(splits) == {"test": 8, "validation": 4, "train": 28}
