import numpy as np
import pytest

from pipelines.text.text_batches import Examples, training_batches, whole_batches

COUNT = 53


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 40, COUNT)
    tokens = [np.full(n, i + 1, "int32") for i, n in enumerate(lengths)]
    words = [np.arange(1, max(n - 2, 2), dtype="int32") for n in lengths]
    labels = [np.array([i], "int32") for i in range(COUNT)]
    return Examples(
        {"tokens": tokens, "words": words, "labels": labels},
        {"tokens": 0, "words": -1, "labels": -1},
    )


def check(examples, row, features, place):
    for name, values in features.items():
        expected = examples.features[name][row]
        np.testing.assert_array_equal(values[place][: len(expected)], expected)
        assert (values[place][len(expected) :] == examples.padding[name]).all()


def test_every_example_comes_once_in_batches_of_few_shapes(examples):
    seen, shapes = [], set()
    for rows, features in whole_batches(examples, 128):
        seen += rows.tolist()
        shapes.add((features["tokens"].shape, features["words"].shape))
        assert features["tokens"].size <= 128
        assert features["words"].shape[1] <= features["tokens"].shape[1] - 2
        for place, row in enumerate(rows):
            check(examples, row, features, place)
    assert sorted(seen) == list(range(COUNT)) and len(shapes) <= 8


def test_what_is_of_each_token_is_as_long_as_the_tokens(examples):
    segments = [np.ones_like(tokens) for tokens in examples.features["tokens"]]
    with_segments = Examples(
        {**examples.features, "segments": segments}, {**examples.padding, "segments": 0}
    )
    for _, features in whole_batches(with_segments, 128):
        np.testing.assert_array_equal(features["segments"], features["tokens"] > 0)


def test_a_text_longer_than_a_batch_is_one(examples):
    assert all(len(rows) == 1 for rows, _ in whole_batches(examples, 1))


def test_training_shows_every_example_about_once_an_epoch(examples):
    drawn = training_batches(examples, 128, seed=0)
    batches, steps, count = drawn.open(), drawn.steps, drawn.examples
    assert count == COUNT
    seen, shapes = [], set()
    for features, labels in batches.take(3 * steps).as_numpy_iterator():
        assert features["tokens"].size <= 128 and set(features) == {"tokens", "words"}
        shapes.add(features["tokens"].shape)
        for place, row in enumerate(labels[:, 0]):
            check(examples, row, features, place)
            seen.append(int(row))
    counts = np.bincount(seen, minlength=COUNT)
    assert counts.min() >= 1 and counts.max() <= 5 and len(shapes) <= 7


def test_the_order_is_that_of_the_seed(examples):
    def first(seed):
        drawn = training_batches(examples, 128, seed=seed)
        batches, steps = drawn.open(), drawn.steps
        return [labels[:, 0].tolist() for _, labels in batches.take(steps).as_numpy_iterator()]

    assert first(0) == first(0) != first(1)
