"""Ranks, shapes and dtypes."""

import keras
import numpy as np
import pytest

from tests.layers.backend import (
    to_numpy,
)
from tests.layers.mechanism import (
    POLICIES,
    B,
    T,
    close,
    functional_model,
)


class Shapes:
    """Errors, output specifications and functional models of any length."""

    @pytest.mark.parametrize("built", [False, True])
    @pytest.mark.parametrize("name", ["query", "value", "key"])
    @pytest.mark.parametrize("rank", [2, 4])
    def test_another_rank_is_an_error_that_says_so(self, mechanism, name, rank, built):
        inputs = mechanism.inputs(with_key=name == "key")
        layer = mechanism.build(with_key=name == "key") if built else mechanism.make()
        inputs[name] = inputs[name][0] if rank == 2 else inputs[name][None]
        with pytest.raises(ValueError, match=r"(?i)rank[ -]3|(3|three) dimensions") as info:
            layer(**inputs)
        assert name in str(info.value)

    @pytest.mark.parametrize("with_key", [False, True])
    @pytest.mark.parametrize("policy", POLICIES)
    def test_output_spec_equals_the_eager_shapes_and_dtypes(self, mechanism, policy, with_key):
        layer, inputs = mechanism.build(with_key, dtype=policy), mechanism.inputs(with_key)
        symbolic = {name: keras.KerasTensor(array.shape) for name, array in inputs.items()}
        dynamic = {
            name: keras.KerasTensor((None, None, array.shape[-1])) for name, array in inputs.items()
        }
        for kwargs in ({}, {"return_attention_scores": True}):
            eager = keras.tree.flatten(layer(**inputs, **kwargs))
            for tensors in (symbolic, dynamic):
                for outputs in (
                    layer.compute_output_spec(**tensors, **kwargs),
                    layer(**tensors, **kwargs),
                ):
                    outputs = keras.tree.flatten(outputs)
                    assert len(outputs) == len(eager) == 1 + len(kwargs)
                    for spec, tensor in zip(outputs, eager, strict=True):
                        assert spec.dtype == keras.backend.standardize_dtype(tensor.dtype)
                        assert spec.ndim == tensor.ndim
                        for expected, size in zip(spec.shape, tensor.shape, strict=True):
                            assert expected == size or (tensors is dynamic and expected is None)

    def test_functional_models_take_any_length(self, mechanism):
        layer = mechanism.build()
        model = functional_model(mechanism, layer)
        for length in (3, T):
            rng = np.random.default_rng(length)
            value_length = length if mechanism.self_attention_only else length + 2
            query = rng.normal(size=(B, length, mechanism.query_dim)).astype("float32")
            value = rng.normal(size=(B, value_length, mechanism.value_dim)).astype("float32")
            output, weights = model.predict([query, value], verbose=0)
            expected_output, expected_weights = to_numpy(
                layer(query, value, return_attention_scores=True)
            )
            close(output, expected_output)
            close(weights, expected_weights)
