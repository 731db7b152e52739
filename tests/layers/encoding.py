"""What both encoders promise to whoever attends to their memory."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.layers.backend import gradients, implicit_mask, randomise, to_numpy

B, S, E = 3, 7, 10
LENGTHS = (7, 5, 2)
MASK = np.arange(S)[None] < np.array(LENGTHS)[:, None]
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


def build(encoder, scale=0.5):
    encoder.build((None, None, E))
    return randomise(encoder, scale=scale)


def vectors(seed=1):
    return np.random.default_rng(seed).normal(size=(B, S, E)).astype("float32")


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


class EncoderPromises:
    """Each test takes `make`, which makes an encoder of vectors of size E."""

    def test_padding_might_as_well_not_be_there(self, make):
        encoder, x = build(make()), vectors()
        memory = to_numpy(encoder(x, mask=MASK))
        x[~MASK] += 100.0
        others = to_numpy(encoder(x, mask=MASK))
        for i, length in enumerate(LENGTHS):
            alone = to_numpy(encoder(x[i : i + 1, :length]))[0]
            close(memory[i, :length], alone)
            np.testing.assert_array_equal(memory[i, :length], others[i, :length])

    def test_every_word_tells_of_those_before_and_behind(self, make):
        encoder, x = build(make()), vectors()
        memory = to_numpy(encoder(x, mask=MASK))
        for changed in (0, LENGTHS[1] - 1):
            other = x.copy()
            other[1, changed] *= -1
            difference = np.abs(to_numpy(encoder(other, mask=MASK)) - memory).max(-1)
            assert (difference[1, : LENGTHS[1]] > 1e-4).all()
            assert not difference[[0, 2]].any()

    @pytest.mark.parametrize("policy", POLICIES)
    def test_a_fully_masked_sequence_is_finite_and_so_are_gradients(self, make, policy):
        encoder, x = build(make(dtype=policy), scale=0.3), vectors()
        mask = MASK.copy()
        mask[1] = False
        assert np.isfinite(to_numpy(encoder(x, mask=mask))).all()

        def loss():
            return ops.sum(ops.square(ops.cast(encoder(x, mask=mask), "float32")))

        found = gradients(loss, encoder.trainable_variables)
        assert all(np.isfinite(gradient).all() and gradient.any() for gradient in found)

    def test_an_implicit_mask_counts_and_is_carried_on(self, make):
        encoder = build(make())
        embedding = keras.layers.Embedding(5, E, mask_zero=True)
        tokens = np.where(MASK, 3, 0)
        embedded = embedding(tokens)
        memory = encoder(embedded)
        np.testing.assert_array_equal(implicit_mask(memory), MASK)
        expected = to_numpy(encoder(to_numpy(embedded), mask=MASK))
        close(to_numpy(memory)[MASK], expected[MASK])

    @pytest.mark.parametrize("dtype", ["int32", "float32"])
    def test_masks_of_zeros_and_ones_are_read_as_boolean(self, make, dtype):
        encoder, x = build(make()), vectors()
        expected = to_numpy(encoder(x, mask=MASK))
        np.testing.assert_array_equal(to_numpy(encoder(x, mask=MASK.astype(dtype))), expected)

    def test_dropout_acts_in_training_alone(self, make):
        dropped, plain, x = build(make(dropout=0.3, seed=1)), build(make()), vectors()
        expected = to_numpy(plain(x, mask=MASK))
        np.testing.assert_array_equal(to_numpy(dropped(x, mask=MASK)), expected)
        assert np.abs(to_numpy(dropped(x, mask=MASK, training=True)) - expected).max() > 0.01

    @pytest.mark.parametrize("policy", POLICIES)
    def test_output_spec_equals_the_eager_shape_and_dtype(self, make, policy):
        encoder, x = build(make(dtype=policy, dropout=0.1)), vectors()
        memory = encoder(x, mask=MASK)
        for shape in (x.shape, (None, None, E)):
            spec = encoder(keras.KerasTensor(shape))
            assert spec.shape == (*shape[:2], memory.shape[-1])
            assert spec.dtype == keras.backend.standardize_dtype(memory.dtype)
        assert {part.dtype_policy.name for part in encoder._flatten_layers()} == {policy}

    def test_the_configuration_comes_back_whole(self, make):
        options = {"dropout": 0.25, "seed": 7, "name": "reader", "dtype": "mixed_bfloat16"}
        encoder = make(**options)
        config = json.loads(json.dumps(encoder.get_config()))
        names = set(inspect.signature(type(encoder).__init__).parameters) - {"self", "kwargs"}
        assert names <= set(config)
        rebuilt = type(encoder).from_config(config)
        assert rebuilt.get_config() == config
        assert (rebuilt.dropout, rebuilt.seed, rebuilt.name) == (0.25, 7, "reader")
        assert rebuilt.dtype_policy.name == "mixed_bfloat16"

    def test_a_saved_model_of_any_length_loads_equal(self, make, tmp_path):
        encoder, x = build(make(dropout=0.1)), vectors()
        inputs = keras.Input((None, E)), keras.Input((None,), dtype="bool")
        model = keras.Model(inputs, encoder(inputs[0], mask=inputs[1]))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        for length in (3, S):
            some = [x[:, :length], MASK[:, :length]]
            close(to_numpy(loaded(some)), to_numpy(encoder(some[0], mask=some[1])))

    @pytest.mark.parametrize("built", [False, True])
    @pytest.mark.parametrize("shape", [(S, E), (1, B, S, E)])
    def test_another_rank_is_an_error_that_says_so(self, make, shape, built):
        encoder = build(make()) if built else make()
        with pytest.raises(ValueError, match="`x` must have rank 3"):
            encoder(np.ones(shape, "float32"))
