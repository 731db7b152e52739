import re

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import split_files
from pipelines.data.splits import SPLITS


def read(path):
    """The rows of a file that names each in a line."""
    return [{"text": line, "file": path.name} for line in path.read_text().split()]


READERS = {".jsonl": read, ".csv": read}


def write(folder, **files):
    """Files by their names, with two underscores for a dot."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def names(splits):
    return {split: {row["file"] for row in rows} for split, rows in splits.items()}


@pytest.mark.parametrize("validation", ["validation", "valid", "val", "dev"])
@pytest.mark.parametrize("packed", ["", "__gz"])
def test_each_split_has_its_file_whatever_it_is_called(tmp_path, validation, packed, capsys):
    validation = f"{validation}__csv{packed}"
    files = {"train__jsonl": "a b", validation: "c", "test__csv": "d"}
    splits = split_files.read_splits(write(tmp_path, **files), READERS)
    assert names(splits) == {
        "train": {"train.jsonl"},
        "validation": {validation.replace("__", ".")},
        "test": {"test.csv"},
    }
    assert [row["text"] for row in splits["train"]] == ["a", "b"]
    assert capsys.readouterr().out == ""


def test_the_first_ending_and_the_plain_name_come_first(tmp_path):
    folder = write(
        tmp_path,
        train__csv="a",
        train__jsonl__gz="b",
        dev__jsonl="c",
        valid__csv="d",
        test__jsonl="e",
        test__jsonl__gz="f",
        test__old__jsonl="g",
    )
    assert names(split_files.read_splits(folder, READERS)) == {
        "train": {"train.jsonl.gz"},
        "validation": {"dev.jsonl"},
        "test": {"test.jsonl"},
    }


def test_a_version_in_the_name(tmp_path):
    files = {"train-v1.1.csv": "a", "dev-v1.1.csv.gz": "b", "test-v2.csv": "c", "test-x.csv": "d"}
    splits = split_files.read_splits(write(tmp_path, **files), READERS)
    assert [*names(splits).values()] == [{"train-v1.1.csv"}, {"dev-v1.1.csv.gz"}, {"test-v2.csv"}]


def test_nothing_is_read_that_is_not_wanted(tmp_path):
    folder = write(tmp_path, train__csv="a", dev__csv="b", test__csv="c")
    seen = []
    readers = {".csv": lambda path: seen.append(path.name) or read(path)}
    assert names(split_files.read_splits(folder, readers, ["test"])) == {"test": {"test.csv"}}
    assert names(split_files.read_splits(folder, readers, ["train"])) == {"train": {"train.csv"}}
    assert seen == ["test.csv", "train.csv"]


def test_a_split_may_come_alone(tmp_path):
    folder = write(tmp_path, test__csv="a b")
    assert len(split_files.read_splits(folder, READERS, ["test"])["test"]) == 2
    message = (
        f"{folder} has no train.jsonl or train.csv (or .gz); validation and test are optional. "
        "Found: test.csv. See README, 'Your own data'."
    )
    for wanted in (["train"], ["validation"], SPLITS):
        with pytest.raises(UserError, match=re.escape(message)):
            split_files.read_splits(folder, READERS, wanted)


def test_what_is_missing_is_cut_from_train_whatever_is_wanted(tmp_path, capsys):
    words = [f"w{number}" for number in range(50)]
    folder = write(tmp_path, train__csv=" ".join(words), test__csv="t")
    splits = split_files.read_splits(folder, READERS, content="text")
    assert {split: len(rows) for split, rows in splits.items()} == {
        "train": 45,
        "validation": 5,
        "test": 1,
    }
    assert "validation (5 lines) cut from train by a fixed seed" in capsys.readouterr().out
    for split in ("train", "validation"):
        alone = split_files.read_splits(folder, READERS, [split], content="text")
        assert alone == {split: splits[split]}


def test_rows_of_one_content_stay_together(tmp_path):
    def questions(path):
        return [{"context": str(n % 13), "question": str(n)} for n in range(91)]

    folder = write(tmp_path, train__json="")
    splits = split_files.read_splits(folder, {".json": questions}, content="context")
    contexts = [{row["context"] for row in rows} for rows in splits.values()]
    assert [len(found) for found in contexts] == [11, 1, 1]
    assert len(set.union(*contexts)) == 13
