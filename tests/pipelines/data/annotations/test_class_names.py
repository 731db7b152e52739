import json

import pytest

from pipelines.data.annotations import class_names

NAMES = ["O", "B-PER", "I-PER"]
POS = {"pos_tags": {"feature": {"names": ["NN", "VB"], "_type": "ClassLabel"}, "_type": "Sequence"}}
FEATURES = {"id": {"dtype": "string", "_type": "Value"}, **POS}
CARD = """---
language: [en]
dataset_info:
  features:
  - name: tokens
    sequence: string
  - name: pos_tags
    sequence:
      class_label:
        names:
          '0': NN
          '1': VB
  - name: {field}
    {kind}:
      class_label:
        names:
          '0': no
          '1': B-PER
          '2': 'I-PER'
  splits:
  - name: train
---
# A set
"""


def described(shape):
    return {"features": {**FEATURES, "ner_tags": shape}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset_info.json", described({"feature": {"names": NAMES, "_type": "ClassLabel"}})),
        ("dataset_info.json", described({"names": NAMES, "id": None})),
        ("dataset_info.json", described([{"names": NAMES}])),
        ("dataset_infos.json", {"default": described({"feature": {"names": NAMES}, "length": -1})}),
        ("train/dataset_info.json", described({"feature": {"class_label": {"names": NAMES}}})),
        ("labels.json", NAMES),
        ("label2id.json", {"I-PER": 2, "O": 0, "B-PER": 1}),
        ("id2label.json", {"2": "I-PER", "0": "O", "1": "B-PER"}),
        ("config.json", {"hidden": 3, "id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}}),
        ("Labels.txt", "O\nB-PER\nI-PER\n\n"),
        ("label_list.txt", "\ufeffO\r\nB-PER\r\nI-PER"),
        ("ner_tags.labels.txt", "O\nB-PER\nI-PER\n"),
        ("tags.txt", "0\tO\n1\tB-PER\n2\tI-PER\n"),
        ("classes.txt", "O 1\nB-PER 2\nI-PER 3\n"),
    ],
)
def test_where_names_stand(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert class_names.find(tmp_path, "ner_tags", "tags") == NAMES


@pytest.mark.parametrize("kind", ["sequence", "dtype", "list"])
def test_the_card_of_a_data_set(tmp_path, kind):
    (tmp_path / "README.md").write_text(CARD.format(field="label", kind=kind))
    assert class_names.find(tmp_path, "label") == ["no", "B-PER", "I-PER"]
    assert class_names.find(tmp_path, "pos_tags") == ["NN", "VB"]
    assert class_names.find(tmp_path, "other") is None


def test_the_only_field_with_names_needs_no_name(tmp_path):
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": POS}))
    assert class_names.find(tmp_path, "label") == ["NN", "VB"]


def test_what_hugging_face_writes_into_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    info = {"info": described({"feature": {"names": NAMES, "_type": "ClassLabel"}})}
    schema = pyarrow.schema([("n", pyarrow.int64())], {"huggingface": json.dumps(info)})
    (tmp_path / "data").mkdir()
    parquet.write_table(pyarrow.table([[1]], schema=schema), tmp_path / "data" / "train.parquet")
    assert class_names.find(tmp_path, "ner_tags") == NAMES


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset_info.json", "{"),
        ("dataset_info.json", '{"features": {"ner_tags": {"names": ["O", 3]}}}'),
        ("README.md", "---\na: [\n---\n"),
        ("README.md", "---\na: &a [x]\nlabel: {names: *a}\n---\n"),
        ("labels.txt", "O\nO\n"),
        ("labels.txt", ""),
        ("labels.json", '{"a": "b"}'),
        ("config.json", '{"0": "a", "1": "b"}'),
        ("train.parquet", "PAR1"),
    ],
)
def test_what_names_nothing(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert class_names.find(tmp_path, "ner_tags") is None
    assert class_names.find(tmp_path / "nowhere", "ner_tags") is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["a", " b "], ["a", "b"]),
        ({"1": "a", "2": "b"}, ["a", "b"]),
        ({"a": 0, "b": 1}, ["a", "b"]),
        ({0: "a", 2: "b"}, None),
        (["a", "a"], None),
        (["a", ""], None),
        ([], None),
        ("ab", None),
    ],
)
def test_names_in_the_order_of_their_numbers(value, names):
    assert class_names.ordered(value) == names


def test_names_with_numbers_of_their_own(tmp_path):
    (tmp_path / "labels.txt").write_text("1 star\n2 stars\n3 stars\n")
    assert class_names.find(tmp_path, "label") == ["1 star", "2 stars", "3 stars"]
