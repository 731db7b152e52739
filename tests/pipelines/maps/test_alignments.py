import numpy as np
import pytest

from pipelines.maps.alignments import Labels, align
from pipelines.text.tokenizer import END, PAD, START, Tokenizer
from pipelines.text.word_tokenizer import WordTokenizer

TEXTS = ["the small dog runs", "der kleine Hund rennt", "2024 03 07", "今天"] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS, 340)


def random_rows(length, width, seed=0):
    rows = np.random.default_rng(seed).random((length, width)) ** 3
    return (rows / rows.sum(-1, keepdims=True)).astype("float32")


def ids_of(tokenizer, text):
    return tokenizer.encode([text])[0][1:]


def test_tokens_are_gathered_on_both_sides(tokenizer):
    source, target = ids_of(tokenizer, "the zebra runs"), ids_of(tokenizer, "der Ochse rennt")
    weights = random_rows(len(target), len(source))
    copy = np.linspace(0, 1, len(target))
    result = align(tokenizer, source, target, weights, copy, reference="ein Zebra")
    assert result.source_words == ("the", "zebra", "runs", "</s>")
    assert result.map.words == ("der", "Ochse", "rennt")
    assert result.axes == ("word", "source") and result.labels == Labels()
    assert (result.text, result.reference) == ("der Ochse rennt", "ein Zebra")
    columns = [[0], range(1, len(source) - 2), [len(source) - 2], [len(source) - 1]]
    rows = [[0], range(1, len(target) - 2), [len(target) - 2]]
    assert len(columns[1]) > 1 and len(rows[1]) > 1
    expected = [
        [np.mean([sum(weights[row, c] for c in column) for row in tokens]) for column in columns]
        for tokens in rows
    ]
    np.testing.assert_allclose(result.map.weights, expected, rtol=1e-5)
    np.testing.assert_allclose(result.map.weights.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(result.copy, [np.mean(copy[list(t)]) for t in rows], rtol=1e-5)
    np.testing.assert_allclose(result.coverage, np.sum(expected, 0), rtol=1e-5)


def test_padding_and_what_follows_the_end_are_left_out(tokenizer):
    source, target = ids_of(tokenizer, "small dog"), ids_of(tokenizer, "kleine Hund rennt")
    weights = random_rows(len(target), len(source))
    expected = align(tokenizer, source, target, weights)
    padded = np.zeros((len(target) + 3, len(source) + 5), "float32")
    padded[: len(target), : len(source)] = weights
    padded[len(target) :] = 7  # Unchecked.
    result = align(tokenizer, np.array(source + [PAD] * 5), np.array(target + [PAD] * 3), padded)
    assert result.source_words == expected.source_words == ("small", "dog", "</s>")
    assert result.map.words == expected.map.words
    np.testing.assert_array_equal(result.map.weights, expected.map.weights)
    assert result.copy is None and result.reference == ""


def test_a_source_without_end_or_with_start(tokenizer):
    source = ids_of(tokenizer, "small dog")[:-1]
    target = ids_of(tokenizer, "Hund")
    result = align(tokenizer, source, target, [[0.25, 0.75]] * 2)
    assert result.source_words == ("small", "dog")
    np.testing.assert_array_equal(result.map.weights, [[0.25, 0.75]])
    result = align(tokenizer, [START, *source], target, [[0.5, 0.25, 0.25]] * 2)
    np.testing.assert_array_equal(result.map.weights, [[0.75, 0.25]])


def test_white_space_counts_to_the_word_after_it(tokenizer):
    source = ids_of(tokenizer, "dog   runs ")
    assert tokenizer.words(source)[1] != [[0], [1]]
    target = ids_of(tokenizer, "Hund")
    weights = random_rows(len(target), len(source))
    result = align(tokenizer, source, target, weights)
    assert result.source_words == ("dog", "runs", "</s>")
    np.testing.assert_allclose(result.map.weights.sum(), 1, rtol=1e-5)
    assert result.map.weights[0, 0] == weights[0, 0]


def test_what_is_written_without_spaces_comes_in_pieces(tokenizer):
    source, target = ids_of(tokenizer, "明天, Hund 今天"), ids_of(tokenizer, "2024-03-07")
    assert tokenizer.words(source)[0] == ["明天,", "Hund", "今天"]
    result = align(tokenizer, source, target, random_rows(len(target), len(source)))
    assert result.source_words == ("明", "天", ",", "Hund", "今天", "</s>")
    assert result.map.words == tuple("2024-03-07")
    assert result.map.weights.shape == (len(result.map.words), 6)
    np.testing.assert_allclose(result.map.weights.sum(-1), 1, rtol=1e-5)


def test_numbers_and_hyphened_words_stay_whole(tokenizer):
    target = ids_of(tokenizer, "1,234,567.89 zwei-drei")
    result = align(tokenizer, [END], target, np.ones((len(target), 1)))
    assert result.map.words == ("1,234,567.89", "zwei-drei")


def test_half_a_character_stands_alone_at_the_end(tokenizer):
    target = ids_of(tokenizer, "天明")[:-2]
    result = align(tokenizer, [END], target, np.ones((len(target), 1)))
    assert result.map.words == ("天", "\ufffd")


def test_copied_words_are_read_from_the_source():
    tokenizer = WordTokenizer.train(["the dog runs", "der Hund"], 10)
    text = "the Dodo runs, Dodo"
    [source] = tokenizer.encode_sources([text], 10)
    target = [source[0], source[1], END]
    assert target[1] >= tokenizer.vocabulary_size
    weights = random_rows(3, len(source))
    result = align(tokenizer, source, target, weights, source=text)
    assert result.source_words == ("the", "Dodo", "runs,", "Dodo", "</s>")
    assert result.map.words == ("the", "Dodo") and result.text == "the Dodo"
    expected = np.add.reduceat(weights[:2], [0, 1, 2, 4, 5], axis=1)
    np.testing.assert_allclose(result.map.weights, expected, rtol=1e-5)


def test_empty_texts(tokenizer):
    result = align(tokenizer, [END], [END, PAD], [[1], [0]])
    assert result.source_words == ("</s>",)
    assert result.map.words == () and result.map.weights.shape == (0, 1)
    assert result.text == "" and result.empty
    np.testing.assert_array_equal(result.coverage, [0])


def test_wrong_weights(tokenizer):
    source, target = ids_of(tokenizer, "small dog"), ids_of(tokenizer, "Hund")
    with pytest.raises(ValueError, match=r"shape \(2, 2\), 2 and 3 tokens"):
        align(tokenizer, source, target, [[0.5, 0.5]] * 2)
    with pytest.raises(ValueError, match=r"a sum of 0\.8 for token 0 of 2"):
        align(tokenizer, source, target, [[0.5, 0.2, 0.1]] * 2)
