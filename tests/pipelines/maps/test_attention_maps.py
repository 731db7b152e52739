import numpy as np
import pytest

from pipelines.maps.attention_maps import AttentionMap, attention_maps, load_npz, save_npz


def random_map(words, grid, seed=0):
    rows = np.random.default_rng(seed).random((len(words), *grid)) ** 4
    return AttentionMap(words, rows / rows.sum((1, 2), keepdims=True))


def test_tokens_of_a_word_are_averaged():
    weights = [
        [1, 0, 0, 0, 0, 0],
        [0, 0.5, 0, 0, 0, 0.5],
        [0, 0, 0, 0.25, 0.75, 0],
        [9, 9, 9, 9, 9, 9],  # the end of the sequence: unchecked
    ]
    result = attention_maps(["un usual", "dog"], weights, [0, 0, 1, -1], grid=(2, 3))
    assert result.words == ("un usual", "dog")
    assert result.axes == ("word", "row", "column")
    assert result.weights.dtype == "float32"
    expected = [[[0.5, 0.25, 0], [0, 0, 0.25]], [[0, 0, 0], [0.25, 0.75, 0]]]
    np.testing.assert_array_equal(result.weights, np.float32(expected))
    np.testing.assert_array_equal(result.peaks, [[0, 0], [1, 1]])


def test_token_that_attended_to_nothing_does_not_count():
    weights = [[0, 0], [0.25, 0.75], [0, 0]]
    result = attention_maps(["a", "b"], weights, [0, 0, 1], grid=(1, 2))
    np.testing.assert_array_equal(result.weights, np.float32([[[0.25, 0.75]], [[0, 0]]]))


def test_half_precision_rows_are_accepted_and_sum_to_one():
    import ml_dtypes

    scores = np.random.default_rng(0).normal(size=(12, 196))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    for dtype in ("float16", ml_dtypes.bfloat16):
        words = [str(index) for index in range(12)]
        result = attention_maps(words, weights.astype(dtype), np.arange(12), (14, 14))
        np.testing.assert_allclose(result.weights.sum((1, 2)), 1, rtol=1e-6)
        np.testing.assert_allclose(result.weights.reshape(12, 196), weights, rtol=2e-2)


@pytest.mark.parametrize(
    ("weights", "token_words", "grid", "message"),
    [
        ([[0.5, 0.4]], [0], (1, 2), "sum of 0.9 for token 0 of 1"),
        ([[1, 0], [2, -1]], [0, 0], (1, 2), "token 1 of 2"),
        ([[np.nan, 1]], [0], (1, 2), "sum of nan"),
        ([[0.5, 0.5]], [0], (2, 2), r"shape \(1, 2\), 1 tokens, grid \(2, 2\)"),
        ([[0.5, 0.5]], [0, 0], (1, 2), "2 tokens"),
        ([[0.5, 0.5]], [-1], (1, 2), "needs a token"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1], (1, 2), "Every one of the 1 words"),
    ],
)
def test_bad_weights(weights, token_words, grid, message):
    with pytest.raises(ValueError, match=message):
        attention_maps(["dog"], weights, token_words, grid)


def test_axes_fit_other_maps():
    weights = np.float32([[0.25, 0.75, 0], [0, 0, 1]])
    result = attention_maps(["le", "chien"], weights, [0, 1], (3,), axes=("target", "source"))
    np.testing.assert_array_equal(result.weights, weights)
    np.testing.assert_array_equal(result.peaks, [[1], [2]])
    with pytest.raises(ValueError, match="one name per axis"):
        AttentionMap(["le", "chien"], weights)
    with pytest.raises(ValueError, match="1 words"):
        AttentionMap(["le"], weights, ("target", "source"))


def test_npz_round_trip(tmp_path):
    maps = {
        "images/dog.jpg": random_map(["a", "<b>", "小さな"], (7, 5)),
        "file": AttentionMap(["x"], [[0.5, 0.5]], ("target", "source")),
        "none": AttentionMap([], np.zeros((0, 2, 2))),
    }
    save_npz(tmp_path / "maps.npz", maps)
    loaded = load_npz(tmp_path / "maps.npz")
    assert list(loaded) == list(maps)
    for name, expected in maps.items():
        assert loaded[name].words == expected.words
        assert loaded[name].axes == expected.axes
        np.testing.assert_array_equal(loaded[name].weights, expected.weights)
    with np.load(tmp_path / "maps.npz") as arrays:
        assert arrays["images/dog.jpg/axes"].tolist() == ["word", "row", "column"]
