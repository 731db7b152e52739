"""Concepts: which tokens the cells of an image hold."""

import numpy as np
from keras import ops

import layers
from layers.models.concept_detector import strongest
from tests.layers.backend import to_numpy


def test_the_concept_loss_asks_one_cell_for_each_token_of_the_captions():
    scores = np.random.default_rng(0).normal(size=(2, 5, 11))
    tokens = np.array([[[1, 4, 7, 0]], [[1, 9, 9, 0]]])
    highest = np.log(np.exp(2 * scores).sum(axis=1)) / 2
    present = np.zeros_like(highest)
    present[0, [0, 1, 4, 7]] = present[1, [0, 1, 9]] = 1
    expected = (np.log1p(np.exp(highest)) - present * highest).sum() / present.sum()
    loss = layers.concept_loss(tokens, strongest(ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-4)
