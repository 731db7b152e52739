"""The recurrent encoder beside two LSTMs that read each sequence by itself."""

import numpy as np
import pytest

from layers import RecurrentEncoder
from tests.layers.backend import to_numpy
from tests.layers.encoding import (
    LENGTHS,
    MASK,
    E,
    EncoderPromises,
    build,
    close,
    vectors,
)


class TestRecurrentEncoder(EncoderPromises):
    @pytest.fixture
    def make(self):
        return lambda **options: RecurrentEncoder(6, num_layers=2, **options)


@pytest.mark.parametrize("dim", [6, E])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_it_equals_two_lstms_that_read_the_words_alone(dim, num_layers):
    encoder, x = build(RecurrentEncoder(dim, num_layers)), vectors()
    memory = to_numpy(encoder(x, mask=MASK))
    for i, length in enumerate(LENGTHS):
        words = x[i : i + 1, :length]
        for forward, backward in encoder.readers:
            there = to_numpy(forward(words))
            back = to_numpy(backward(words[:, ::-1].copy()))[:, ::-1]
            read = np.concatenate([there, back], axis=-1)
            words = words + read if words.shape[-1] == dim else read
        close(memory[i : i + 1, :length], words)


def test_without_a_mask_all_words_are_read():
    encoder, x = build(RecurrentEncoder(6)), vectors()
    close(to_numpy(encoder(x)), to_numpy(encoder(x, mask=np.ones_like(MASK))))


def test_each_direction_has_half_of_the_memory():
    encoder, x = build(RecurrentEncoder(6)), vectors()
    memory = to_numpy(encoder(x))
    x[:, 3] += 1.0
    changed = np.abs(to_numpy(encoder(x)) - memory).max(0) > 1e-6
    np.testing.assert_array_equal(changed[:, :3].any(-1), [False] * 3 + [True] * 4)
    np.testing.assert_array_equal(changed[:, 3:].any(-1), [True] * 4 + [False] * 3)


def test_an_odd_size_is_an_error():
    with pytest.raises(ValueError, match=r"`dim` must be even, half for each direction.*dim=7"):
        RecurrentEncoder(7)
