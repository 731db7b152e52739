"""What a mechanism may see."""

import keras
import numpy as np
import pytest

from tests.layers.backend import (
    implicit_mask,
    randomise,
    to_numpy,
)
from tests.layers.mechanism import (
    B,
    T,
    attend,
    close,
)


class Masks:
    """Masked positions, the future and padding, by every kind of mask."""

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
