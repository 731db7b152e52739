"""ConditionalRandomField beside sums and maxima over every path there is."""

import inspect
import itertools
import json

import keras
import numpy as np
import pytest
from keras import ops

from layers import ConditionalRandomField
from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    to_numpy,
)

B, T, K = 5, 4, 3
# Whole, padded at its end, with gaps, masked at its start, fully masked.
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]], "bool")
TAGS = np.array([[0, 1, 2, 2], [2, 0, 9, -1], [1, 0, 0, 1], [7, -7, 0, 2], [0, 1, 2, 0]])
# As of O, B and I: I follows neither O nor the start.
LEGAL = {"allowed_transitions": [[1, 1, 0], [1, 1, 1], [1, 1, 1]], "allowed_starts": [1, 1, 0]}
OPTIONS = pytest.mark.parametrize("options", [{}, LEGAL], ids=["free", "legal"])
MASKS = pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])


def build(**options):
    layer = ConditionalRandomField(K, **options)
    layer.build((None, None, K))
    return randomise(layer, seed=2)


def data(seed=1):
    return np.random.default_rng(seed).normal(size=(B, T, K)).astype("float32")


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def every_path(layer, scores, weights=None):
    """All paths `(P, length)` over scores `(length, K)`, and what each scores, in float64.

    A path that is not allowed scores minus infinity.
    """
    weights = [to_numpy(weight) for weight in layer.weights] if weights is None else weights
    transitions, starts, ends = (np.float64(weight) for weight in weights)
    if layer.allowed_starts is not None:
        starts = np.where(layer.allowed_starts, starts, -np.inf)
        transitions = np.where(layer.allowed_transitions, transitions, -np.inf)
    paths = np.array(list(itertools.product(range(K), repeat=len(scores))), int)
    if not len(scores):
        return paths, np.zeros(1)
    gained = sum(row[paths[:, i]] for i, row in enumerate(np.float64(scores)))
    gained += transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    return paths, gained + starts[paths[:, 0]] + ends[paths[:, -1]]


def reference_likelihood(layer, scores, path, weights=None):
    paths, gained = every_path(layer, scores, weights)
    (own,) = gained[(paths == path).all(axis=1)]
    return own - np.logaddexp.reduce(gained)


def sequences(x, mask):
    mask = np.ones_like(MASK) if mask is None else mask
    return [(i, scores[here], here) for i, (scores, here) in enumerate(zip(x, mask, strict=True))]


@OPTIONS
@MASKS
def test_likelihoods_equal_those_among_all_paths(options, mask):
    layer, x = build(**options), data()
    tags = np.array([[0, 1, 2, 2], [1, 2, 0, 0], [1, 1, 2, 2], [0, 0, 0, 1], [1, 2, 2, 2]])
    found = to_numpy(layer.log_likelihood(x, tags, mask))
    for i, scores, here in sequences(x, mask):
        close(found[i], reference_likelihood(layer, scores, tags[i][here]))


@OPTIONS
def test_likelihoods_of_all_paths_sum_to_one(options):
    layer, x = build(**options), data()[:1]
    paths = np.array(list(itertools.product(range(K), repeat=T)))
    found = to_numpy(layer.log_likelihood(np.repeat(x, len(paths), axis=0), paths))
    close(np.exp(found).sum(), 1.0)


@OPTIONS
@MASKS
@pytest.mark.parametrize("seed", [1, 3, 5])
def test_decoding_finds_the_best_of_all_paths(options, mask, seed):
    layer, x = build(**options), data(seed)
    found = to_numpy(layer.decode(x, mask))
    assert found.dtype == np.int32
    for i, scores, here in sequences(x, mask):
        paths, gained = every_path(layer, scores)
        np.testing.assert_array_equal(found[i][here], paths[gained.argmax()])
        assert not found[i][~here].any()


def test_what_is_not_allowed_is_never_decoded():
    layer = build(**LEGAL)
    x = np.zeros((B, T, K), "float32")
    x[..., 2] = 50.0
    x[0, 1, 0] = 200.0
    broken, *whole = to_numpy(layer.decode(x)).tolist()
    assert broken[1:] == [0, 1, 2] and broken[0] in (0, 1)
    assert whole == [[1, 2, 2, 2]] * (B - 1)


def test_a_path_that_is_not_allowed_is_finitely_unlikely():
    layer = build(**LEGAL)
    found = to_numpy(layer.log_likelihood(data(), np.full((B, T), 2), MASK))
    assert (found[:4] < -5000).all() and np.isfinite(found).all() and found[4] == 0


@OPTIONS
def test_gradients_equal_finite_differences(options):
    layer, x = build(**options), keras.Variable(data())
    tags = np.array([[0, 1, 2, 2], [1, 2, 9, -1], [1, 0, 0, 2], [7, -7, 0, 1], [0, 1, 2, 0]])
    variables = [*layer.trainable_variables, x]

    def loss():
        found = layer.log_likelihood(ops.convert_to_tensor(x), tags, MASK)
        return -ops.sum(found * ops.convert_to_tensor(np.arange(1, B + 1, dtype="float32")))

    def reference(values):
        *weights, scores = values
        return -sum(
            (i + 1) * reference_likelihood(layer, row, tags[i][here], weights)
            for i, row, here in sequences(np.float64(scores), MASK)
        )

    values = [np.float64(to_numpy(variable)) for variable in variables]
    found = gradients(loss, variables)
    for number, gradient in enumerate(found):
        for place in np.ndindex(gradient.shape):
            sides = []
            for delta in (-1e-4, 1e-4):
                moved = [value.copy() for value in values]
                moved[number][place] += delta
                sides.append(reference(moved))
            close(gradient[place], (sides[1] - sides[0]) / 2e-4, 1e-4)
    assert not found[-1][~MASK].any()


def test_masked_scores_have_no_influence():
    layer, x = build(), data()
    likelihoods, tags = layer.log_likelihood(x, TAGS, MASK), layer.decode(x, MASK)
    x[~MASK] = np.nan
    np.testing.assert_array_equal(
        to_numpy(layer.log_likelihood(x, TAGS, MASK)), to_numpy(likelihoods)
    )
    np.testing.assert_array_equal(to_numpy(layer.decode(x, MASK)), to_numpy(tags))


def test_half_precision_scores_are_summed_in_float32():
    layer, x = build(dtype="mixed_bfloat16"), data()
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    scores = layer(x)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    np.testing.assert_array_equal(to_numpy(scores), x)
    half = ops.cast(x, "bfloat16")
    expected = to_numpy(build().log_likelihood(to_numpy(half), TAGS, MASK))
    np.testing.assert_array_equal(to_numpy(layer.log_likelihood(half, TAGS, MASK)), expected)

    class Model(keras.Model):
        """Calls the field where Keras casts variables down."""

        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.field = layer

        def call(self, scores):
            return self.field.log_likelihood(scores, TAGS, MASK)

    np.testing.assert_array_equal(to_numpy(Model()(half)), expected)


def test_xla_equals_eager():
    layer, x = build(**LEGAL), data()
    tags = np.array([[0, 1, 2, 2]] * B, "int32")

    def both(scores, mask):
        return layer.log_likelihood(scores, tags, mask), layer.decode(scores, mask)

    likelihoods, decoded = to_numpy(compiled_with_xla(both)(x, MASK))
    close(likelihoods, to_numpy(layer.log_likelihood(x, tags, MASK)))
    np.testing.assert_array_equal(decoded, to_numpy(layer.decode(x, MASK)))


def test_fit_learns_what_scores_alone_cannot_say():
    # The second word is within an entity; whether it begins one, the tag before it says.
    words = np.random.default_rng(0).integers(0, 2, (32, 5))
    tags = np.where(words, np.where(np.pad(words, ((0, 0), (1, 0)))[:, :-1], 2, 1), 0)
    field = ConditionalRandomField(3)
    inputs = keras.Input((None,))
    scores = keras.layers.Embedding(2, 3, embeddings_initializer="zeros")(inputs)
    model = keras.Model(inputs, field(scores))
    model.compile(
        keras.optimizers.Adam(0.3),
        loss=lambda tags, scores: -field.log_likelihood(scores, tags),
        jit_compile=False,  # Takes longer than the training.
    )
    model.fit(words, tags, epochs=15, batch_size=32, verbose=0, shuffle=False)
    np.testing.assert_array_equal(to_numpy(field.decode(model.predict(words, verbose=0))), tags)


def test_an_implicit_mask_is_carried_on():
    embedded = keras.layers.Embedding(5, K, mask_zero=True)(np.where(MASK, 3, 0))
    np.testing.assert_array_equal(implicit_mask(build()(embedded)), MASK)


def test_the_configuration_comes_back_whole():
    layer = ConditionalRandomField(K, **LEGAL, name="tags", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(layer.get_config()))
    names = set(inspect.signature(ConditionalRandomField.__init__).parameters) - {"self", "kwargs"}
    assert names <= set(config)
    rebuilt = ConditionalRandomField.from_config(config)
    assert rebuilt.get_config() == layer.get_config()
    assert rebuilt.allowed_starts == [True, True, False]
    assert (rebuilt.name, rebuilt.dtype_policy.name) == ("tags", "mixed_bfloat16")


def test_a_saved_model_of_any_length_loads_equal(tmp_path):
    layer, x = build(**LEGAL), data()
    inputs = keras.Input((None, K))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    field = loaded.layers[-1]
    for length in (1, 3, T):
        some, mask = x[:, :length], MASK[:, :length]
        np.testing.assert_array_equal(to_numpy(loaded(some)), some)
        np.testing.assert_array_equal(
            to_numpy(field.decode(some, mask)), to_numpy(layer.decode(some, mask))
        )


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_output_spec(policy):
    layer = build(dtype=policy)
    spec = layer(keras.KerasTensor((None, None, K)))
    assert (spec.shape, spec.dtype) == ((None, None, K), "float32")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_tags": 0}, "`num_tags` must be at least 1"),
        (
            {"num_tags": 3, "allowed_starts": [True, False]},
            r"`allowed_starts` must have shape \(3,\).*\(2,\)",
        ),
        (
            {"num_tags": 3, "allowed_transitions": [True] * 3},
            r"`allowed_transitions` must have shape \(3, 3\)",
        ),
    ],
)
def test_what_cannot_be_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        ConditionalRandomField(**options)


def test_other_shapes_are_errors_that_say_so():
    layer = build()
    with pytest.raises(ValueError, match="`scores` must have rank 3"):
        layer(np.ones((T, K), "float32"))
    with pytest.raises(ValueError, match="one for each of 3 tags"):
        layer.decode(np.ones((B, T, K + 1), "float32"))
