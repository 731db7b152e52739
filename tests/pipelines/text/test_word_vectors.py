import keras
import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.text import word_vectors
from pipelines.text.word_tokenizer import WordTokenizer

DIM = 3
TOKENIZER = WordTokenizer.train(["The dog, the dog. Cat Zyx"], 99)
LINES = ["the 1 2 3", "dog 4 5 6", ", 7 8 9", "cat 0.5 -1 2e-1", "bird 9 9 9"]


def embed():
    keras.utils.set_random_seed(0)
    embedding = keras.layers.Embedding(TOKENIZER.vocabulary_size, DIM)
    embedding.build(None)
    return embedding


def rows(embedding):
    table = keras.ops.convert_to_numpy(embedding.embeddings)
    return dict(zip(TOKENIZER.vocabulary, table, strict=True))


def assign(tmp_path, lines):
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    embedding = embed()
    word_vectors.assign(path, TOKENIZER, embedding)
    return rows(embedding)


def refused(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        assign(tmp_path, lines)


def test_words_begin_with_their_vectors_and_others_as_they_did(tmp_path, capsys):
    before, after = rows(embed()), assign(tmp_path, LINES)
    comma = next(word for word in TOKENIZER.vocabulary if word.endswith(","))
    expected = {
        "the": (1, 2, 3),
        "The": (1, 2, 3),
        "dog": (4, 5, 6),
        comma: (7, 8, 9),  # Signs and words are looked up without their marks.
        "Cat": (0.5, -1, 0.2),
    }
    spread = np.std(list(before.values())) / np.std(list(expected.values()))
    for word in TOKENIZER.vocabulary:
        wanted = spread * np.array(expected[word]) if word in expected else before[word]
        np.testing.assert_allclose(after[word], wanted, rtol=1e-5)
    path = tmp_path / "vectors.txt"
    said = f"5 of {TOKENIZER.vocabulary_size} words begin with a vector of {path}\n"
    assert capsys.readouterr().out == said


def test_shorter_vectors_leave_the_rest_as_it_was(tmp_path):
    before, after = rows(embed()), assign(tmp_path, ["2 2", "the 1 -2", "dog 4 5"])
    values = np.array([[1, -2], [1, -2], [4, 5]])  # of "the", "The" and "dog"
    scale = np.std(list(before.values())) / values.std()
    np.testing.assert_allclose(after["The"], [scale, -2 * scale, before["The"][2]], rtol=1e-5)
    np.testing.assert_array_equal(after["Cat"], before["Cat"])


@pytest.mark.parametrize("turned", [1, -1])
def test_a_word_as_it_is_written_goes_before_its_lower_case(tmp_path, turned):
    after = assign(tmp_path, ["the 1 2 3", "The 3 2 1"][::turned])
    np.testing.assert_allclose(after["The"], after["the"][::-1])


def test_a_first_line_of_counts_blank_lines_and_words_of_several(tmp_path):
    expected = assign(tmp_path, LINES)
    found = assign(tmp_path, ["5 3", LINES[0], "", *LINES[1:], ". . . 9 9 9", "the dog 9 9 9 "])
    for word, row in expected.items():
        np.testing.assert_array_equal(found[word], row)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["bird 1 2 3 4"], "vectors.txt:1: a vector of 4 numbers, more than the 3 of the model"),
        (["the 1 2 3", "dog 1 x 3"], "vectors.txt:2: not a word and its 3 numbers"),
        (["the 1 2 3", "dog 1 2"], "vectors.txt:2: not a word and its 3 numbers"),
        (["the 1 nan 3"], "vectors.txt:1: not a word and its 3 numbers"),
        (["the 1 1e39 3"], "vectors.txt:1: not a word and its 3 numbers"),
        (["the", "dog"], "vectors.txt:1: a word without numbers"),
        (["bird 1 2 3"], "vectors.txt has a vector for none of the words of the vocabulary"),
        ([], "vectors.txt has a vector for none of the words of the vocabulary"),
    ],
)
def test_what_does_not_fit(tmp_path, lines, message):
    refused(tmp_path, lines, message)


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "vectors.txt"
    with pytest.raises(UserError, match=f"^cannot read {path}: No such file or directory$"):
        word_vectors.assign(path, TOKENIZER, embed())
    with pytest.raises(UserError, match=f"^cannot read {tmp_path}: Is a directory$"):
        word_vectors.assign(tmp_path, TOKENIZER, embed())
    path.write_bytes("the 1 2 3\nchaud 1 2 3\nété 1 2 3\n".encode("latin-1"))
    with pytest.raises(UserError, match=f"^{path} is not in UTF-8$"):
        word_vectors.assign(path, TOKENIZER, embed())
