"""Rows in blocks: cut, computed one block after the other, and joined again."""

import numpy as np
import pytest
from keras import ops

from layers.functional.row_blocks import RowBlocks
from tests.layers.backend import to_numpy

B, T, X = 2, 7, 3


def rows(length=T):
    return np.random.default_rng(0).normal(size=(B, length, X)).astype("float32")


@pytest.mark.parametrize(
    ("elements", "most", "expected"),
    [(30, None, (3, 3, 2)), (1, None, (1, 7, 0)), (1000, None, (7, 1, 0)), (1000, 2, (2, 4, 1))],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_block_takes_as_many_rows_as_there_is_room_for(known, elements, most, expected):
    length, row_elements = (x if known else ops.convert_to_tensor(x) for x in (T, 10))
    blocks = RowBlocks(length, row_elements, elements, most)
    assert tuple(int(x) for x in (blocks.rows, blocks.count, blocks.extra)) == expected
    assert int(blocks.padded) == expected[0] * expected[1]


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("room", [1, 3, 7])
def test_what_is_computed_of_each_block_is_joined_in_order(room, ahead):
    x, blocks = rows(), RowBlocks(T, 1, room)
    padded = blocks.pad(ops.convert_to_tensor(x))
    np.testing.assert_array_equal(to_numpy(padded)[:, :T], x)
    assert not to_numpy(padded)[:, T:].any()

    def step(i, squares, total):
        block = blocks.get(padded, i)
        return blocks.put(squares, i, block * block), total + ops.sum(block)

    start = blocks.empty((B, X)), ops.zeros(())
    squares, total = blocks.each(step, *start, ahead=ahead)
    np.testing.assert_allclose(to_numpy(blocks.joined(squares)), x**2, atol=1e-6)
    np.testing.assert_allclose(to_numpy(total), x.sum(), rtol=1e-5)


def test_a_block_is_its_rows():
    x, blocks = rows(), RowBlocks(T, 1, 3)
    padded = blocks.pad(ops.convert_to_tensor(x))
    np.testing.assert_array_equal(to_numpy(blocks.get(padded, 1)), x[:, 3:6])
    last = to_numpy(blocks.get(padded, 2))
    np.testing.assert_array_equal(last[:, 0], x[:, 6])
    assert not last[:, 1:].any()
