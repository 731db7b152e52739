import random

import numpy as np
import pytest

from pipelines.builtin.docstrings.near_duplicates import equal_pairs, groups, similar_pairs

WORDS = [f"word{i}" for i in range(997)]


def naive_similarity(one, other):
    sets = [
        {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
        for words in (text.lower().split() for text in (one, other))
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def text(seed, count=31):
    return random.Random(seed).choices(WORDS, k=count)


def changed(words, *positions):
    return [f"other{i}" if i in positions else word for i, word in enumerate(words)]


def test_similar_texts_are_found_and_others_are_not():
    texts = [" ".join(text(seed)) for seed in range(101)]
    texts.append(" ".join(changed(text(7), 0, 30)))
    texts.append(" ".join(changed(text(11), 15)).upper().replace(" ", ", "))
    texts.append(" ".join(changed(text(13), 5, 12, 19, 26)))
    assert naive_similarity(texts[7], texts[101]) > 0.8
    assert naive_similarity(texts[13], texts[103]) < 0.5
    assert set(similar_pairs(texts)) == {(7, 101), (11, 102)}


@pytest.mark.parametrize("cut", range(1, 16, 2))
def test_the_threshold_is_on_the_similarity_itself(cut):
    one, other = " ".join(text(1)), " ".join(text(1)[cut:])
    similarity = naive_similarity(one, other)
    assert set(similar_pairs([one, other], threshold=similarity + 1e-6)) == set()
    if similarity > 0.6:
        assert set(similar_pairs([one, other], threshold=similarity - 1e-6)) == {(0, 1)}


def test_texts_without_a_run_of_three_words():
    assert set(similar_pairs(["", "?!", "a b", "A, b.", "b a"])) == {(0, 1), (2, 3)}
    assert list(similar_pairs([])) == []


def test_equal_pairs():
    assert list(equal_pairs("abcab")) == [(0, 3), (1, 4)]
    assert list(equal_pairs("aaa")) == [(0, 1), (0, 2)]


def test_groups_are_the_connected_components():
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 53, (29, 2)).tolist()
    linked = np.eye(53, dtype=bool)
    for i, j in pairs:
        linked[i, j] = linked[j, i] = True
    reachable = np.linalg.matrix_power(linked.astype(float), 53) > 0
    expected = sorted({tuple(np.flatnonzero(row).tolist()) for row in reachable})
    assert [tuple(group) for group in groups(53, pairs)] == expected
    assert groups(3, []) == [[0], [1], [2]]
