"""The one harness of attention mechanisms: every promise of the call contract, as one small test.

A mechanism registers itself as one `Mechanism` in `test_mechanisms.py`, and `Promises` does the
rest.
"""

import json

import keras
import numpy as np
import pytest
from keras import ops

from tests.layers.backend import (
    compiled_with_xla,
    gradients,
    implicit_mask,
    randomise,
    seed_states,
    to_numpy,
)
from tests.layers.mechanism import (
    POLICIES,
    TOLERANCE,
    B,
    T,
    attend,
    close,
    functional_model,
    hide,
)


class Promises:
    """Every promise of an attention layer; each test's name says which."""

    # Numbers

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

    # Empty rows

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

    # Masks

    @pytest.mark.parametrize("how", ["attention_mask", "value_mask", "key_mask"])
    def test_masked_positions_have_weight_zero_and_no_influence(self, mechanism, how):
        with_key = how == "key_mask"
        layer, inputs = mechanism.build(with_key), mechanism.inputs(with_key)
        hidden = [2, mechanism.value_length - 1]
        mask = np.ones((B, mechanism.value_length), bool)
        mask[:, hidden] = False
        if how == "attention_mask":
            mechanism.skip_without_attention_mask()
            mask = np.broadcast_to(mask[:, None], (B, T, mechanism.value_length))
        output, weights = attend(layer, inputs, **{how: mask})
        assert not weights[..., hidden].any()
        if mechanism.self_attention_only:  # their own queries are not hidden
            return
        for name in ("value", "key")[: 1 + with_key]:
            inputs[name][:, hidden] += 100.0
        other_output, other_weights = attend(layer, inputs, **{how: mask})
        np.testing.assert_array_equal(weights, other_weights)
        np.testing.assert_array_equal(output, other_output)

    @pytest.mark.parametrize("dropout", [0.0, 0.5])
    @pytest.mark.parametrize("return_scores", [False, True])
    def test_causal_mask_leaks_nothing_of_the_future(self, mechanism, return_scores, dropout):
        future = 3
        inputs, changed = mechanism.inputs(), mechanism.inputs()
        changed["value"][:, future:] += 100.0
        changed["query"][:, future:] += 100.0
        outputs = [
            keras.tree.flatten(
                to_numpy(
                    mechanism.build(dropout=dropout, seed=5)(
                        **x,
                        use_causal_mask=True,
                        return_attention_scores=return_scores,
                        training=dropout > 0,
                    )
                )
            )
            for x in (inputs, changed)
        ]
        close(outputs[0][0][:, :future], outputs[1][0][:, :future])
        if return_scores:
            weights = outputs[1][1]
            unseen = ~np.tri(T, mechanism.value_length, dtype=bool)
            assert not weights[..., unseen].any()
            close(weights[..., :future, :], outputs[0][1][..., :future, :])

    def test_padding_changes_nothing(self, mechanism):
        layer, inputs = mechanism.build(), mechanism.inputs()
        output, weights = attend(layer, inputs)
        rng = np.random.default_rng(4)
        padded, masks = {}, {}
        for name, array in inputs.items():
            padding = 10 * rng.normal(size=(B, 3, array.shape[-1]))
            padded[name] = np.concatenate([array, padding], axis=1).astype("float32")
            masks[f"{name}_mask"] = np.arange(padded[name].shape[1])[None] < array.shape[1]
            masks[f"{name}_mask"] = np.repeat(masks[f"{name}_mask"], B, axis=0)
        padded_output, padded_weights = attend(layer, padded, **masks)
        close(padded_output[:, :T], output)
        close(padded_weights[..., :T, : mechanism.value_length], weights)
        assert not padded_weights[..., mechanism.value_length :].any()
        assert not padded_weights[..., T:, :].any()

    @pytest.mark.parametrize(
        "axes", ["BTS", "B1S", "1TS", "BT1", "11S", "BNTS", "B1TS", "1NTS", "BN1S", "11TS"]
    )
    def test_attention_mask_broadcasts(self, mechanism, axes):
        mechanism.skip_without_attention_mask()
        if len(axes) == 4 and mechanism.heads is None:
            pytest.skip("masks of rank 4 are for mechanisms with heads")
        sizes = {"B": B, "N": mechanism.heads, "T": T, "S": mechanism.value_length, "1": 1}
        mask = np.random.default_rng(6).random([sizes[axis] for axis in axes]) < 0.7
        layer, inputs = mechanism.build(), mechanism.inputs()
        value_mask = mechanism.masks()["value_mask"]
        for masks in ({}, {"value_mask": value_mask, "use_causal_mask": True}):
            masks = {**masks, "attention_mask": mask}
            output, weights = attend(layer, inputs, **masks)
            expected_output, expected_weights = mechanism.expected(layer, inputs, **masks)
            close(weights, expected_weights)
            close(output, expected_output)

    def test_masks_merge_with_and(self, mechanism):
        layer, inputs = mechanism.build(with_key=True), mechanism.inputs(with_key=True)
        masks = {**mechanism.masks(with_key=True), "use_causal_mask": True}
        _, weights = attend(layer, inputs, **masks)
        hidden = np.zeros_like(weights, bool)
        for name, mask in masks.items():
            hidden |= ~np.broadcast_to(mechanism.merged(**{name: mask}), weights.shape)
        assert not weights[hidden].any()
        if not mechanism.self_attention_only:  # such a mechanism may have a pattern of its own
            np.testing.assert_array_equal(weights > 0, ~hidden)

    @pytest.mark.parametrize("dtype", ["int32", "float32"])
    def test_masks_of_zeros_and_ones_are_read_as_boolean(self, mechanism, dtype):
        layer, inputs = mechanism.build(), mechanism.inputs()
        masks = mechanism.masks()
        expected = attend(layer, inputs, **masks)
        found = attend(layer, inputs, **{name: mask.astype(dtype) for name, mask in masks.items()})
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])

    def test_explicit_query_mask_is_honoured(self, mechanism):
        layer, inputs = mechanism.build(), mechanism.inputs()
        mask = np.array([[True] * 5, [True, True, False, True, False]])
        output, weights = attend(layer, inputs, query_mask=mask)
        plain_output, plain_weights = attend(layer, inputs)
        if mechanism.recurrent:  # to the queries that are left, a masked one might as well not be
            left = {**inputs, "query": inputs["query"][1:, mask[1]]}
            left["value"] = inputs["value"][1:]
            plain_output[1, mask[1]], plain_weights[1, mask[1]] = (
                x[0] for x in attend(layer, left)
            )
        empty = np.broadcast_to(mechanism.empty_output(layer), output.shape)
        close(output, np.where(mask[:, :, None], plain_output, empty))
        rows = mask[:, :, None] if mechanism.heads is None else mask[:, None, :, None]
        close(weights, plain_weights * rows)

    def test_implicit_masks_are_picked_up_and_explicit_ones_take_their_place(self, mechanism):
        layer = mechanism.build(with_key=True)
        sizes = {"query": (T, mechanism.query_dim)}
        sizes["value"] = (mechanism.value_length, mechanism.value_dim)
        sizes["key"] = (mechanism.value_length, mechanism.key_dim)
        rng = np.random.default_rng(7)
        embedded, plain, masks = {}, {}, {}
        for name, (length, width) in sizes.items():
            tokens = rng.integers(0, 3, size=(B, length))
            tokens[:, 0] = 1
            embedding = keras.layers.Embedding(3, width, mask_zero=True)
            embedded[name] = embedding(tokens)
            plain[name] = to_numpy(embedded[name])
            masks[f"{name}_mask"] = tokens != 0

        def same(found, expected):
            np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
            np.testing.assert_allclose(found[1], expected[1], atol=1e-6)

        same(attend(layer, embedded), attend(layer, plain, **masks))
        for replaced in masks:
            explicit = {replaced: np.roll(masks[replaced], 1, axis=1)}
            same(attend(layer, embedded, **explicit), attend(layer, plain, **{**masks, **explicit}))

    @pytest.mark.parametrize("return_scores", [False, True])
    def test_output_carries_the_mask_of_the_query(self, mechanism, return_scores):
        layer, inputs = mechanism.build(), mechanism.inputs()
        tokens = np.array([[1, 2, 1, 0, 0], [1, 0, 2, 1, 2]])
        inputs["query"] = keras.layers.Embedding(3, mechanism.query_dim, mask_zero=True)(tokens)
        explicit = np.array([[True, False, True, True, True]] * B)
        value_mask = mechanism.masks()["value_mask"]
        for masks, expected in (
            ({}, tokens != 0),
            ({"value_mask": value_mask}, tokens != 0),
            ({"query_mask": explicit}, explicit),
        ):
            outputs = layer(**inputs, **masks, return_attention_scores=return_scores)
            output = keras.tree.flatten(outputs)[0]
            np.testing.assert_array_equal(implicit_mask(output), expected)
        plain = layer(**mechanism.inputs(), value_mask=value_mask)
        assert implicit_mask(plain) is None

    @pytest.mark.filterwarnings("error::UserWarning")
    def test_a_masked_stack_ignores_padding_and_warns_of_nothing(self, mechanism):
        tokens = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(7, mechanism.query_dim, mask_zero=True)(tokens)
        x = keras.layers.Dense(mechanism.query_dim)(mechanism.make()(x, x))
        x = mechanism.make()(x, x)
        model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(x))
        randomise(model)
        short = np.array([[1, 2, 3, 4, 5], [6, 5, 4, 0, 0]])
        long = np.pad(short, [(0, 0), (0, 2)])
        close(to_numpy(model(long)), to_numpy(model(short)))

    # Shapes

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

    # State

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

    # Compilation and training

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
