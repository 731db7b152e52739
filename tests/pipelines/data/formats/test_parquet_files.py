import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from pipelines.commands.errors import UserError
from pipelines.data.fields import Field
from pipelines.data.formats import parquet_files

FIELDS = {
    "file_name": Field(("image",), is_file=True),
    "label": Field(("label",), is_label=True),
}
PNG, WAV, WEBP = b"\x89PNG and more", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WEBP"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets" / "media"


def write(path, columns, features=None):
    table = pyarrow.table(columns)
    if features:
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(table, path)
    return path


def read(path):
    return list(parquet_files.records(path, FIELDS))


def test_media_as_bytes_and_classes_by_name(tmp_path, cache):
    path = write(
        tmp_path / "a.parquet",
        {
            "image": [{"bytes": PNG, "path": None}, {"bytes": WAV, "path": "1.wav"}],
            "label": [1, -1],
            "split": ["train", "test"],
            "vector": [[0.5], [0.25]],
        },
        {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "image": {"_type": "Image"}},
    )
    (where, first), (_, second) = read(path)
    assert where == f"{path}: 1" and "vector" not in first
    assert (first["label"], first["split"], second["label"]) == ("dog", "train", None)
    kept = {str(path) for end in ("png", "wav") for path in cache.rglob(f"*.{end}")}
    assert {first["image"], second["image"]} == kept
    assert Path(first["image"]).read_bytes() == PNG and first["image"].endswith(".png")
    assert second["image"].endswith(".wav")
    assert read(path)[0][1] == first


def test_names_of_files_stay(tmp_path):
    path = write(tmp_path / "a.parquet", {"image": ["1.png"], "label": [7]})
    assert read(path) == [(f"{path}: 1", {"image": "1.png", "label": 7})]


@pytest.mark.parametrize(
    ("value", "ending"), [(WEBP, ".webp"), (b"\xff\xd8", ".jpg"), (b"x", ".bin")]
)
def test_the_beginning_tells_the_ending(value, ending):
    path = parquet_files.keep(value)
    assert path.endswith(ending) and Path(path).read_bytes() == value


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": {"names": ["a", "b"]}, "_type": "Sequence"},
        {"feature": {"feature": {"names": ["a", "b"]}}},
        [{"names": ["a", "b"]}],
        {"names": ["a", "b"]},
    ],
)
def test_lists_of_classes(tmp_path, feature):
    path = write(tmp_path / "a.parquet", {"image": ["1"], "label": [[1, 0]]}, {"label": feature})
    assert read(path)[0][1]["label"] == ["b", "a"]


def test_what_is_wrong_is_named(tmp_path):
    path = write(tmp_path / "a.parquet", {"image": ["1.png"], "text": ["a"]})
    with pytest.raises(UserError, match=r"no column for 'label' \(looked for label\): its columns"):
        read(path)
    assert parquet_files.header(path) == ["image", "text"]
    (tmp_path / "b.parquet").write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"b\.parquet is no Parquet file: "):
        read(tmp_path / "b.parquet")
