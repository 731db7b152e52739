"""What a mechanism computes."""

import numpy as np
import pytest

from tests.layers.backend import (
    to_numpy,
)
from tests.layers.mechanism import (
    POLICIES,
    attend,
    close,
)


class Numbers:
    """The reference's numbers, with and without weights, dropout and XLA."""

    @pytest.mark.parametrize("use_causal_mask", [False, True])
    @pytest.mark.parametrize("with_key", [False, True])
    def test_equals_the_numpy_reference(self, mechanism, with_key, use_causal_mask):
        layer, inputs = mechanism.build(with_key), mechanism.inputs(with_key)
        for masks in ({}, mechanism.masks(with_key)):
            masks = {**masks, "use_causal_mask": use_causal_mask}
            output, weights = attend(layer, inputs, **masks)
            expected_output, expected_weights = mechanism.expected(layer, inputs, **masks)
            close(weights, expected_weights)
            close(output, expected_output)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_output_is_the_same_with_and_without_weights(self, mechanism, policy):
        layer, inputs = mechanism.build(dtype=policy), mechanism.inputs()
        for masks in ({}, mechanism.masks(), {"use_causal_mask": True}):
            output = to_numpy(layer(**inputs, **masks))
            np.testing.assert_allclose(output, attend(layer, inputs, **masks)[0], atol=1e-6)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_output_is_the_same_with_and_without_weights_under_dropout(self, mechanism, policy):
        one, other = (mechanism.build(dtype=policy, dropout=0.5, seed=3) for _ in range(2))
        inputs, masks = mechanism.inputs(), mechanism.masks()
        output = to_numpy(one(**inputs, **masks, training=True))
        same, _ = attend(other, inputs, **masks, training=True)
        np.testing.assert_allclose(output, same, atol=1e-6)
        undropped = to_numpy(one(**inputs, **masks, training=False))
        assert np.abs(output - undropped).max() > 0.01

    @pytest.mark.parametrize("policy", POLICIES)
    def test_rows_of_weights_sum_to_one_or_zero(self, mechanism, policy):
        layer, inputs = mechanism.build(dtype=policy), mechanism.inputs()
        for masks in ({}, mechanism.masks(), {"use_causal_mask": True}):
            _, weights = attend(layer, inputs, **masks)
            _, expected = mechanism.expected(layer, inputs, **masks)
            total = expected.sum(-1)
            close(weights.sum(-1), total if mechanism.partial_rows else total.round(), policy)
            assert weights.min() >= 0

    def test_weights_are_those_before_dropout(self, mechanism):
        layer, inputs = mechanism.build(dropout=0.5, seed=3), mechanism.inputs()
        _, training = attend(layer, inputs, training=True)
        _, inference = attend(layer, inputs, training=False)
        np.testing.assert_allclose(training, inference, atol=1e-6)
