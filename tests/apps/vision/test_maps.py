"""Maps by their formulas."""

import keras
import numpy as np
import pytest

from apps.vision import maps, model
from apps.vision.config import Config

DEPTH, GRID = 3, (2, 3)


def weights(tokens, seed=0):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(tokens), (DEPTH, tokens)).astype("float32")


def test_rollout_is_the_product_of_the_blocks_with_their_residual_paths():
    """Abnar and Zuidema 2020, section 3, term by term."""
    blocks = weights(7)
    first, second, third = ((block + np.eye(7)) / 2 for block in blocks)
    found = maps.rollout(blocks)
    np.testing.assert_allclose(found, third @ second @ first, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(maps.rollout(np.tile(np.eye(7), (DEPTH, 1, 1))), np.eye(7))


def test_a_class_token_shows_what_it_attended_to():
    blocks, token = weights(7), np.eye(7)[0]
    found = maps.maps_of(blocks, token, GRID)
    assert found.words == ("block 1", "block 2", "block 3", "rollout")
    assert found.axes == ("layer", "row", "column")
    np.testing.assert_allclose(found.weights.sum((1, 2)), 1, atol=1e-6)
    row = blocks[1, 0, 1:]
    np.testing.assert_allclose(found.weights[1].ravel(), row / row.sum(), atol=1e-6)
    row = maps.rollout(blocks)[0, 1:]
    np.testing.assert_allclose(found.weights[3].ravel(), row / row.sum(), atol=1e-6)


def test_a_mean_shows_what_all_attended_to():
    blocks = weights(6)
    found = maps.maps_of(blocks, np.full(6, 1 / 6), GRID)
    np.testing.assert_allclose(found.weights[0].ravel(), blocks[0].mean(axis=0), atol=1e-6)


def test_pooling_is_a_map_of_its_own():
    blocks, pooling = weights(6), np.random.default_rng(3).dirichlet(np.ones(6))
    found = maps.maps_of(blocks, pooling, GRID, pooled_by_attention=True)
    assert found.words[-2:] == ("rollout", "pooling")
    np.testing.assert_allclose(found.weights[-1].ravel(), pooling, atol=1e-6)
    expected = pooling @ maps.rollout(blocks)
    np.testing.assert_allclose(found.weights[-2].ravel(), expected, atol=1e-6)


def test_a_token_that_attends_to_itself_alone_gives_an_empty_map():
    alone = np.tile(np.eye(7), (DEPTH, 1, 1))
    assert not maps.maps_of(alone, np.eye(7)[0], GRID).weights.any()


@pytest.mark.parametrize("pool", ["token", "mean", "attention"])
def test_backends_look_at_images(pool):
    config = Config(image_size=8, patch_size=2, dim=16, depth=2, num_heads=2, pool=pool)
    classifier = model.build(config, 1, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), "uint8")
    found = maps.look(classifier, pixels)
    assert len(found) == 5
    assert found[0].weights.shape == (3 + (pool == "attention"), 4, 4)
    np.testing.assert_allclose([each.weights.sum((1, 2)) for each in found], 1, atol=1e-4)
    assert (found[0].weights != found[1].weights).any()
    _, seen = classifier(pixels.astype("float32"), return_attention_scores=True)
    blocks = [keras.ops.convert_to_numpy(block)[4].mean(axis=0) for block in seen["blocks"]]
    pooling = keras.ops.convert_to_numpy(seen["pooling"])[4]
    expected = maps.maps_of(np.stack(blocks), pooling, (4, 4), pool == "attention")
    np.testing.assert_allclose(found[4].weights, expected.weights, atol=1e-5)


def test_the_more_tokens_the_fewer_images_at_a_time(monkeypatch):
    config = Config(model="vit", image_size=8, patch_size=2, dim=16, depth=3, num_heads=2)
    classifier = model.build(config, 1, 3)
    assert classifier.length == 17 and maps.images_at_once(classifier) == 8
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), "uint8")
    together = maps.look(classifier, pixels)
    # Weights of 4 bytes: 3 blocks of 2 heads of 17 x 17.
    monkeypatch.setattr(maps, "MEGABYTES", 2.5 * 4 * 3 * 2 * 17**2 / 2**20)
    assert maps.images_at_once(classifier) == 2
    for one, other in zip(maps.look(classifier, pixels), together, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)
    monkeypatch.setattr(maps, "MEGABYTES", 0)
    assert maps.images_at_once(classifier) == 1


def test_mistakes_are_spread_over_the_classes_and_the_rest_over_the_split():
    labels = np.repeat(np.arange(10), 100)
    predicted = labels.copy()
    predicted[[3, *range(200, 260), 500, 501, *range(900, 990)]] = 1
    shown = maps.choose(labels, predicted, most=18)
    even = np.linspace(0, 999, 12).astype(int).tolist()
    # Of classes 0, 2, 5 and 9 the first mistakes, and then the second ones.
    assert sorted({*shown.tolist()} - {*even}) == [3, 200, 201, 500, 501, 900]
    assert {*even} <= {*shown.tolist()}
    assert maps.choose(labels, labels, most=3).tolist() == [0, 499, 999]
    assert maps.choose(np.array([0, 1]), np.array([1, 0])).tolist() == [0, 1]


def test_the_maps_of_many_results_are_looked_up_together(classifier, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8), "uint8")
    results = classifier.predict(list(pixels))
    called = []
    look = maps.look
    monkeypatch.setattr(maps, "look", lambda *args: called.append(len(args[1])) or look(*args))
    together = maps.image_maps(classifier.model, results)
    assert called == [5]
    for found, result in zip(together, results, strict=True):
        np.testing.assert_allclose(found.weights, result.attention.weights, atol=1e-5)
        assert (found.caption, found.classes) == (result.caption, result.classes[:3])
