"""What a layer that is computed again hands on besides its output, and what it reads."""

import keras
import numpy as np
from keras import ops

from layers.functional.masking import implicit_mask
from layers.functional.rematerialize import rematerialized
from tests.layers.backend import BACKEND, gradients, to_numpy

X = np.linspace(-1, 1, 2 * 3 * 5).reshape(2, 3, 5).astype("float32")


class Part(keras.layers.Layer):
    """A float32 projection whose output costs, beside a mask that the input carries."""

    def __init__(self, remat, **kwargs):
        super().__init__(**kwargs)
        self.remat = remat
        self.passes = 0
        self.supports_masking = True
        self.projection = keras.layers.Dense(
            2, use_bias=False, activity_regularizer=keras.regularizers.L2(0.5), dtype="float32"
        )

    def build(self, shape):
        self.projection.build(shape)
        self.projection.set_weights([np.linspace(0.1, 0.7, 10).reshape(5, 2)])

    @rematerialized
    def call(self, pair, scale=1.0, training=None):
        self.passes += 1
        x, other = pair["x"], pair["other"]
        seen = ops.ones((2, 3)) if implicit_mask(x) is None else implicit_mask(x)
        return [
            self.projection(x * scale) + ops.cast(other, "float32"),
            {"seen": ops.cast(seen, "float32")},
        ]


def run(remat, dtype, training=True):
    layer = Part(remat, dtype=dtype)
    layer.build(X.shape)
    embedded = keras.layers.Masking(mask_value=-1.0, dtype="float32")
    x = ops.convert_to_tensor(X)
    masked = embedded(ops.concatenate([ops.full((2, 1, 5), -1.0), x[:, 1:]], axis=1))

    def loss():
        output, extra = layer({"x": masked, "other": x[..., :2]}, scale=0.3, training=training)
        total = ops.sum(ops.cast(output, "float32") ** 2) + sum(layer.losses)
        return total + ops.sum(extra["seen"] * 3.0)

    slopes = gradients(loss, layer.trainable_variables)
    passes = layer.passes
    return to_numpy(ops.convert_to_tensor(loss())), slopes[0], passes


def test_masks_losses_and_float32_weights_are_those_of_the_plain_call():
    for dtype in ("float32", "mixed_bfloat16"):
        plain, again = run(False, dtype), run(True, dtype)
        np.testing.assert_allclose(again[0], plain[0], rtol=1e-6)
        np.testing.assert_allclose(again[1], plain[1], rtol=1e-6)
        assert np.abs(plain[1]).min() > 0
        # JAX computes again what it has traced once.
        assert (plain[2], again[2]) == (1, 1 if BACKEND == "jax" else 2)


def test_nothing_is_computed_again_outside_of_training():
    assert run(True, "float32", training=False)[2] == 1
