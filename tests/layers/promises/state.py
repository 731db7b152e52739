"""What a layer holds and saves."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.layers.backend import (
    seed_states,
    to_numpy,
)
from tests.layers.mechanism import (
    POLICIES,
    functional_model,
)


class State:
    """Weights, configuration and files; nothing is stored by a call."""

    @pytest.mark.parametrize("return_scores", [False, True])
    def test_a_call_stores_nothing_on_the_layer(self, mechanism, return_scores):
        layer, inputs = mechanism.build(dropout=0.1), mechanism.inputs()
        layer(**inputs, return_attention_scores=return_scores, training=True)

        def state():
            return {
                (index, name): value
                for index, part in enumerate(layer._flatten_layers())
                for name, value in vars(part).items()
            }

        before, variables = state(), len(layer.variables)
        layer(
            **inputs,
            **mechanism.masks(),
            use_causal_mask=True,
            return_attention_scores=return_scores,
            training=True,
        )
        after = state()
        assert set(after) == set(before)
        assert len(layer.variables) == variables
        for place, value in after.items():
            assert isinstance(value, list | dict | set) or value is before[place], place
            for leaf in keras.tree.flatten(value):
                assert isinstance(leaf, keras.Variable) or not ops.is_tensor(leaf), place

    def test_weights_and_seed_generators_are_counted(self, mechanism):
        layer = mechanism.build(dropout=0.0)
        assert len(layer.trainable_weights) == mechanism.weights
        assert len(layer.non_trainable_weights) == mechanism.constants
        assert len(seed_states(layer)) == 0
        assert len(seed_states(mechanism.build(dropout=0.5))) == 1

    def test_a_call_argument_in_the_constructor_is_told_to_be_one(self, mechanism):
        message = "`return_attention_scores` is a call argument, not one of the constructor"
        with pytest.raises(TypeError, match=message):
            mechanism.layer(**{**mechanism.options, "return_attention_scores": True})

    def test_config_has_every_constructor_argument(self, mechanism):
        names = set(mechanism.defaults())
        assert names <= set(mechanism.make().get_config())
        assert names == set(mechanism.options), "the case has no option to test these with"

    def test_config_keeps_every_value(self, mechanism):
        options = {**mechanism.options, "name": "attention", "dtype": "mixed_bfloat16"}
        config = mechanism.layer(**options).get_config()
        defaults = mechanism.defaults()
        for name, value in mechanism.options.items():
            assert value != defaults[name], f"{name} is tested with its default"
            if hasattr(value, "get_config"):
                value = keras.saving.serialize_keras_object(value)
            assert config[name] == value
        config = json.loads(json.dumps(config))
        rebuilt = mechanism.layer.from_config(config)
        assert rebuilt.get_config() == config
        assert rebuilt.dtype_policy.name == "mixed_bfloat16"

    def test_a_saved_model_loads_equal(self, mechanism, tmp_path):
        model = functional_model(mechanism, mechanism.build(dropout=0.1))
        inputs = list(mechanism.inputs().values())
        expected = to_numpy(model(inputs))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        for found, array in zip(to_numpy(loaded(inputs)), expected, strict=True):
            np.testing.assert_allclose(found, array, atol=1e-6)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_dtype_policy_reaches_every_sublayer(self, mechanism, policy):
        layer = mechanism.build(dtype=policy, dropout=0.5)
        parts = list(layer._flatten_layers())
        assert {part.dtype_policy.name for part in parts} == {policy}
        assert {weight.dtype for weight in layer.weights} <= {"float32"}
