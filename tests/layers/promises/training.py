"""Compilation and training."""

import keras
import numpy as np
from keras import ops

from tests.layers.backend import (
    compiled_with_xla,
    to_numpy,
)
from tests.layers.mechanism import (
    B,
    T,
    attend,
    close,
)


class Training:
    """XLA, and a loss that falls."""

    def test_xla_equals_eager(self, mechanism):
        layer, inputs, masks = mechanism.build(), mechanism.inputs(), mechanism.masks()
        for causal in (False, True):

            def function(inputs, masks, causal=causal):
                return layer(
                    **inputs, **masks, use_causal_mask=causal, return_attention_scores=True
                )

            tensors = keras.tree.map_structure(ops.convert_to_tensor, (inputs, masks))
            output, weights = to_numpy(compiled_with_xla(function)(*tensors))
            expected_output, expected_weights = attend(
                layer, inputs, **masks, use_causal_mask=causal
            )
            close(output, expected_output)
            close(weights, expected_weights)

    def test_training_lowers_the_loss(self, mechanism):
        keras.utils.set_random_seed(0)
        query = keras.Input((T, mechanism.query_dim))
        value = keras.Input((mechanism.value_length, mechanism.value_dim))
        x = mechanism.make(dropout=0.1)(query, value)
        model = keras.Model([query, value], keras.layers.Dense(1)(x))
        model.compile(keras.optimizers.Adam(0.02), "mse")
        inputs = list(mechanism.inputs().values())
        before = [np.array(weight) for weight in model.get_weights()]
        target = np.random.default_rng(8).normal(size=(B, T, 1))
        losses = model.fit(inputs, target, epochs=20, verbose=0).history["loss"]
        assert losses[-1] < 0.8 * losses[0]
        changed = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
        # A bias of all scores has no effect.
        assert sum(changed) >= len(changed) - 1 - mechanism.constants
