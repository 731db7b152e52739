import pytest

from pipelines.data.layouts import headerless

FILES = headerless.files("text", lambda: (".wav",))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["3|a b", "1|c d", "3|e f"], ({"text": [1], "label": [0]}, 0)),
        (["3|A title|a b", "1|B c|c d", "3|B d|e f"], ({"text": [1, 2], "label": [0]}, 0)),
        (["a b|pos", "c d|neg", "e f|pos", "g h|neg"], ({"text": [0], "label": [1]}, 0)),
        (["x1|1||a b", "x1|0|*|c d e"], ({"text": [3], "label": [1]}, 0)),
        # Numbers that all differ are no labels.
        (["71|pos|a b", "72|neg|c d", "73|pos|e", "74|neg|g h"], ({"text": [2], "label": [1]}, 0)),
        # A heading is no label.
        (["v1|v2", "ham|a b", "spam|c d", "ham|e f", "spam|g h"], ({"text": [1], "label": [0]}, 1)),
        (["stars|words", "1|a b", "2|c d"], ({"text": [1], "label": [0]}, 1)),
        (["a b|c d", "e f|g h"], None),
        (["one|two", "three|four"], None),
        (["a b", "c d"], None),
        (["-1|a b", "1|c d"], ({"text": [1], "label": [0]}, 0)),
        ([], None),
    ],
)
def test_labelled_texts(rows, expected):
    assert headerless.labelled_texts([row.split("|") for row in rows]) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["Go.|Geh.", "Run.|Lauf."], ({"source": [0], "target": [1]}, 0)),
        (["Go.|Geh.|CC-BY", "Run.|Lauf.|CC-BY"], ({"source": [0], "target": [1]}, 0)),
        (["12|Go.|77|Geh.", "13|Run.|78|Lauf."], ({"source": [1], "target": [3]}, 0)),
        (["English|German", "Go.|Geh."], ({"source": [0], "target": [1]}, 1)),
        (["en|de_DE", "Go.|Geh."], ({"source": [0], "target": [1]}, 1)),
        (["id|English words|German words", "1|Go.|Geh."], ({"source": [1], "target": [2]}, 1)),
        (["1|Go.", "2|Run."], None),
        (["Go.", "Run."], None),
        (["a|b", "no", "table", "this", "is"], None),
    ],
)
def test_pairs(rows, expected):
    assert headerless.pairs([row.split("|") for row in rows]) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["LJ1|One two|one two", "LJ2|Three|three"], ({"file_name": [0], "text": [2]}, 0)),
        (["a.wav|one", "b.wav|two"], ({"file_name": [0], "text": [1]}, 0)),
        (["LJ1|one", "LJ2|two"], None),
        (["a b|one two", "c|three"], None),
        (["a.wav", "b.wav"], None),
    ],
)
def test_files(rows, expected):
    assert FILES([row.split("|") for row in rows]) == expected


def test_labels_of_files_without_an_ending_are_not_guessed():
    find = headerless.files("label", lambda: (".png",))
    assert find([["a", "one two"], ["b", "three"]]) is None
    assert find([["a.png", "one"]]) == ({"file_name": [0], "label": [1]}, 0)
