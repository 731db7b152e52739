"""Masks, and the softmax that selects with them, as values."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import AttentionMask, causal_mask, combine_masks, masked_softmax
from layers.functional.masking import carry_mask
from tests.layers.backend import gradients, implicit_mask, to_numpy
from tests.layers.references import mechanisms as reference

B, N, T, S = 2, 3, 5, 7
QUERIES = np.array([[True, True, True, False, True], [True, False, True, True, True]])
KEYS = np.array([[True] * 6 + [False], [False] + [True] * 6])
VALUES = np.array([[True, True, False, True, True, True, True], [True] * 7])


def pairs(*shape, seed=3):
    return np.random.default_rng(seed).random(shape) < 0.7


def equal(found, expected):
    assert keras.backend.standardize_dtype(found.dtype) == "bool"
    np.testing.assert_array_equal(to_numpy(found), expected)


class TestCausalMask:
    def test_a_query_sees_keys_up_to_itself(self):
        equal(causal_mask(3, 4), [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]])

    def test_an_offset_stands_for_queries_before(self):
        equal(causal_mask(2, 4, offset=2), [[1, 1, 1, 0], [1, 1, 1, 1]])
        equal(causal_mask(2, 4, offset=ops.convert_to_tensor(1)), [[1, 1, 0, 0], [1, 1, 1, 0]])


class TestCombineMasks:
    def test_nothing_masked_is_none(self):
        assert combine_masks(T, S) is None
        assert combine_masks(T, S, query_mask=None, attention_mask=None) is None

    @pytest.mark.parametrize(
        ("masks", "expected"),
        [
            ({"query_mask": QUERIES}, QUERIES[:, :, None]),
            ({"key_mask": KEYS}, KEYS[:, None]),
            ({"value_mask": VALUES, "key_mask": KEYS}, (VALUES & KEYS)[:, None]),
            ({"use_causal_mask": True}, np.tri(T, S, dtype=bool)[None]),
            ({"attention_mask": pairs(T, S)}, pairs(T, S)[None]),
            ({"attention_mask": pairs(B, N, T, S)}, pairs(B, N, T, S)),
        ],
        ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
    )
    def test_one_mask_alone_takes_no_more_room_than_it_needs(self, masks, expected):
        equal(combine_masks(T, S, **masks), expected)

    @pytest.mark.parametrize("shape", [(T, S), (B, T, S), (1, 1, S), (B, T, 1), (B, N, T, S)])
    def test_all_of_them_merge_with_and(self, shape):
        masks = {"query_mask": QUERIES, "value_mask": VALUES, "key_mask": KEYS}
        masks = {**masks, "use_causal_mask": True, "attention_mask": pairs(*shape)}
        expected = reference.merge_masks(T, S, **masks, heads=len(shape) == 4)
        found = combine_masks(T, S, **masks)
        equal(found, np.broadcast_to(expected, found.shape))

    @pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
    def test_zeros_and_ones_of_any_dtype_are_a_mask(self, dtype):
        equal(combine_masks(T, S, query_mask=QUERIES.astype(dtype)), QUERIES[:, :, None])


class TestAttentionMask:
    @pytest.mark.parametrize(("start", "length"), [(0, 2), (3, 2), (1, 3)])
    @pytest.mark.parametrize("shape", [(B, T, S), (B, N, T, S), (B, 1, S)])
    def test_rows_are_a_part_of_the_whole(self, shape, start, length):
        mask = AttentionMask(QUERIES, VALUES, KEYS, pairs(*shape), use_causal_mask=True)
        whole = to_numpy(mask.rows(0, T, S))
        equal(mask.rows(start, length, S), whole[..., start : start + length, :])

    def test_rows_are_causal_from_their_own_position(self):
        mask = AttentionMask(use_causal_mask=True, offset=1)
        equal(mask.rows(2, 2, S), [np.tri(6, S, dtype=bool)[3:5]])

    def test_padded_rows_see_nothing_and_the_others_what_they_saw(self):
        for shape in ((B, T, S), (B, N, T, S)):
            mask = AttentionMask(QUERIES, VALUES, attention_mask=pairs(*shape))
            padded = to_numpy(mask.pad_rows(2).rows(0, T + 2, S))
            np.testing.assert_array_equal(padded[..., :T, :], to_numpy(mask.rows(0, T, S)))
            assert not padded[..., T:, :].any()

    def test_padding_keeps_what_is_one_for_all_rows(self):
        mask = AttentionMask(value_mask=VALUES, attention_mask=pairs(B, 1, S), use_causal_mask=True)
        padded = mask.pad_rows(2)
        assert (padded.causal, tuple(padded.pairs.shape)) == (True, (B, 1, S))
        equal(padded.keys, VALUES)

    def test_the_causal_mask_alone_is_known(self):
        assert AttentionMask(use_causal_mask=True).only_causal()
        assert not AttentionMask().only_causal()
        assert not AttentionMask(use_causal_mask=True, offset=1).only_causal()
        offset = ops.convert_to_tensor(0)
        assert not AttentionMask(use_causal_mask=True, offset=offset).only_causal()
        for name in ("query_mask", "value_mask"):
            mask = {"query_mask": QUERIES, "value_mask": VALUES}[name]
            assert not AttentionMask(use_causal_mask=True, **{name: mask}).only_causal()

    def test_a_tensor_becomes_one_and_one_stays_itself(self):
        mask = AttentionMask(QUERIES)
        assert AttentionMask.of(mask) is mask
        equal(AttentionMask.of(pairs(B, T, S)).rows(0, T, S), pairs(B, T, S))
        assert AttentionMask.of(None).rows(0, T, S) is None


class TestMaskedSoftmax:
    def scores(self, dtype="float32"):
        scores = np.random.default_rng(1).normal(0, 3, (B, T, S))
        return ops.cast(ops.convert_to_tensor(scores), dtype)

    @pytest.mark.parametrize("shape", [(B, T, S), (B, 1, S), (1, T, S), (S,)])
    def test_it_is_the_softmax_among_what_may_be_seen(self, shape):
        mask = pairs(*shape, seed=5)
        found = to_numpy(masked_softmax(self.scores(), mask))
        expected = reference.masked_softmax(to_numpy(self.scores()), mask)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert not found[~np.broadcast_to(mask, found.shape)].any()

    def test_without_a_mask_rows_sum_to_one(self):
        found = to_numpy(masked_softmax(self.scores()))
        expected = reference.masked_softmax(to_numpy(self.scores()), True)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    @pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
    def test_an_empty_row_is_zero_and_so_is_its_gradient(self, dtype):
        mask = pairs(B, T, S)
        mask[1, 2] = False
        variable = keras.Variable(to_numpy(self.scores()), dtype="float32")

        def loss():
            weights = masked_softmax(ops.cast(variable.value, dtype), mask)
            return ops.sum(ops.square(weights))

        weights = masked_softmax(self.scores(dtype), mask)
        assert keras.backend.standardize_dtype(weights.dtype) == "float32"
        assert not to_numpy(weights)[1, 2].any()
        (gradient,) = gradients(loss, [variable])
        assert np.isfinite(gradient).all() and gradient.any()
        assert not gradient[~mask].any()

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_is_computed_in_float32(self, dtype):
        scores = self.scores(dtype)
        expected = reference.masked_softmax(to_numpy(scores).astype("float64"), True)
        np.testing.assert_allclose(to_numpy(masked_softmax(scores)), expected, atol=1e-6)

    def test_a_masked_score_may_be_anything(self):
        scores, mask = to_numpy(self.scores()), pairs(B, T, S)
        wild = np.where(mask, scores, np.array([np.inf, np.nan, 1e38, -np.inf, 5.0, 0.0, 1e30]))
        found = masked_softmax(wild.astype("float32"), mask)
        np.testing.assert_array_equal(to_numpy(found), to_numpy(masked_softmax(scores, mask)))


def test_an_output_carries_the_mask_of_its_query():
    output = ops.ones((B, T, 4))
    carry_mask(output, None)
    assert implicit_mask(output) is None
    carry_mask(output, QUERIES.astype("int32"))
    np.testing.assert_array_equal(implicit_mask(output), QUERIES)
