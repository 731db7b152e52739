"""What a query gets that is left without any key."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.layers.backend import (
    gradients,
    to_numpy,
)
from tests.layers.mechanism import (
    POLICIES,
    TOLERANCE,
    attend,
    close,
    hide,
)


class EmptyRows:
    """Zeros, and finite gradients."""

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("how", ["attention_mask", "value_mask", "key_mask", "query_mask"])
    def test_empty_rows_give_zeros_and_finite_gradients(self, mechanism, how, policy):
        if how == "attention_mask":
            mechanism.skip_without_attention_mask()
        with_key = how == "key_mask"
        layer = mechanism.build(with_key, dtype=policy)
        mask, empty = hide(mechanism, how)
        inputs = mechanism.inputs(with_key)

        output, weights = attend(layer, inputs, **mask)
        rows = weights if mechanism.heads is None else weights.swapaxes(1, 2)
        assert not rows[empty].any()
        assert (rows[~empty].sum(-1) > 0).all()
        if not mechanism.partial_rows:
            close(rows[~empty].sum(-1), 1, policy)
        np.testing.assert_allclose(
            output[empty],
            np.broadcast_to(mechanism.empty_output(layer), output[empty].shape),
            atol=0 if np.ndim(mechanism.empty_output(layer)) == 0 else TOLERANCE[policy],
        )
        np.testing.assert_allclose(to_numpy(layer(**inputs, **mask)), output, atol=1e-6)

        sources = [keras.Variable(array, dtype="float32") for array in inputs.values()]
        for return_scores in (False, True):

            def loss(return_scores=return_scores):
                tensors = dict(zip(inputs, map(ops.convert_to_tensor, sources), strict=True))
                outputs = layer(**tensors, **mask, return_attention_scores=return_scores)
                outputs = keras.tree.flatten(outputs)
                return sum(ops.sum(ops.square(ops.cast(x, "float32"))) for x in outputs)

            found = gradients(loss, layer.trainable_variables + sources)
            assert all(np.isfinite(gradient).all() for gradient in found)
            assert any(gradient.any() for gradient in found)
