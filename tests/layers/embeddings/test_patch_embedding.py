"""PatchEmbedding beside a loop over patches, and beside the convolution that it equals."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

from layers import PatchEmbedding
from tests.layers.backend import compiled_with_xla, gradients, randomise, to_numpy
from tests.layers.mechanism import POLICIES, close

B, ROWS, COLUMNS, C, D = 2, 3, 5, 3, 13
SIZES = [(7, 11), 7]


def pair(patch_size):
    return (patch_size, patch_size) if isinstance(patch_size, int) else patch_size


def shape(patch_size, rows=ROWS, columns=COLUMNS):
    height, width = pair(patch_size)
    return B, rows * height, columns * width, C


def build(patch_size=7, **options):
    layer = PatchEmbedding(patch_size, D, **options)
    layer.build(shape(patch_size))
    return randomise(layer, scale=0.1)


def data(patch_size=7, **sides):
    rng = np.random.default_rng(1)
    return rng.normal(size=shape(patch_size, **sides)).astype("float32")


def numpy_patches(layer, images):
    """Row by row, patch by patch."""
    kernel, bias = layer.projection.get_weights()
    height, width = layer.patch_size
    found = [layer.token.token] if layer.class_token else []
    found = [np.repeat(to_numpy(token)[None], len(images), axis=0) for token in found]
    for top in range(0, images.shape[1], height):
        for left in range(0, images.shape[2], width):
            patch = images[:, top : top + height, left : left + width]
            found.append(patch.reshape(len(images), -1).astype("float64") @ kernel + bias)
    return np.stack(found, axis=1)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("class_token", [False, True])
@pytest.mark.parametrize("patch_size", SIZES)
def test_equals_numpy(patch_size, class_token, policy):
    layer, images = build(patch_size, class_token=class_token, dtype=policy), data(patch_size)
    found = to_numpy(layer(images))
    assert found.shape == (B, ROWS * COLUMNS + class_token, D)
    close(found, numpy_patches(layer, images), policy)


@pytest.mark.parametrize("patch_size", SIZES)
def test_equals_a_convolution_whose_stride_is_its_kernel(patch_size):
    layer, images = build(patch_size), data(patch_size)
    size = pair(patch_size)
    convolution = keras.layers.Conv2D(D, size, strides=size, data_format="channels_last")
    convolution.build(images.shape)
    kernel, bias = layer.get_weights()
    convolution.set_weights([kernel.reshape(*size, C, D), bias])
    expected = to_numpy(convolution(images))
    assert expected.shape == (B, ROWS, COLUMNS, D)
    close(to_numpy(layer(images)), expected.reshape(B, -1, D))


def test_a_patch_sees_its_own_pixels():
    layer, images = build(class_token=True), data()
    changed = images.copy()
    changed[:, 7:14, 14:21] += 1.0  # row 1, column 2
    (moved,) = np.nonzero((to_numpy(layer(images)) != to_numpy(layer(changed))).any((0, 2)))
    np.testing.assert_array_equal(moved, [1 + 1 * COLUMNS + 2])


def test_pixels_may_be_bytes():
    layer = build()
    images = np.random.default_rng(2).integers(0, 256, shape(7)).astype("uint8")
    close(to_numpy(layer(images)), to_numpy(layer(images.astype("float32"))))


def test_gradients_reach_every_weight():
    layer, images = build(class_token=True), data()
    found = gradients(lambda: ops.sum(ops.square(layer(images))), layer.trainable_variables)
    assert len(found) == len(layer.weights) == 3
    assert all(gradient.any() for gradient in found)
    assert len(build().weights) == 2


# State


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("class_token", [False, True])
def test_output_spec_equals_the_eager_shape_and_dtype(class_token, policy):
    layer, images = build(class_token=class_token, dtype=policy), data()
    eager = layer(images)
    length = ROWS * COLUMNS + class_token
    for sides, expected in (
        (images.shape, (B, length, D)),
        ((None, *images.shape[1:]), (None, length, D)),
        ((None, None, images.shape[2], C), (None, None, D)),
        ((None, None, None, C), (None, None, D)),
    ):
        spec = layer(keras.KerasTensor(sides))
        assert spec.shape == expected == layer.compute_output_shape(sides)
        assert spec.dtype == keras.backend.standardize_dtype(eager.dtype) == layer.compute_dtype
    assert tuple(eager.shape) == (B, length, D)
    assert {part.dtype_policy.name for part in layer._flatten_layers()} == {policy}


@pytest.mark.parametrize("patch_size", SIZES)
def test_config_has_every_argument_and_keeps_its_value(patch_size):
    options = {"patch_size": patch_size, "dim": D, "class_token": True}
    assert set(options) == set(inspect.signature(PatchEmbedding).parameters) - {"kwargs"}
    layer = PatchEmbedding(**options, name="patches", dtype="mixed_bfloat16")
    config = layer.get_config()
    assert config["patch_size"] == pair(patch_size)
    assert (config["dim"], config["class_token"]) == (D, True)
    rebuilt = PatchEmbedding.from_config(json.loads(json.dumps(config)))
    assert rebuilt.get_config() == config


def test_a_saved_model_of_any_size_loads_equal(tmp_path):
    images = keras.Input((None, None, C))
    model = randomise(keras.Model(images, PatchEmbedding((7, 11), D, class_token=True)(images)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for sides in ({}, {"rows": 2, "columns": 1}):
        images = data((7, 11), **sides)
        close(loaded.predict(images, verbose=0), to_numpy(model(images)))


# Compilation and training


def test_xla_equals_eager():
    layer, images = build(class_token=True), data()
    found = compiled_with_xla(lambda images: layer(images))(ops.convert_to_tensor(images))
    close(to_numpy(found), to_numpy(layer(images)))


def test_training_lowers_the_loss():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([PatchEmbedding(7, D, class_token=True), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    target = np.random.default_rng(8).normal(size=(B, 1))
    losses = model.fit(data(), target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


# Errors


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize(
    "sides, message",
    [
        ((B, 21, C), r"rank 4.*\(2, 21, 3\)"),
        ((B, 1, 21, 35, C), "rank 4"),
        ((B, 22, 35, C), r"multiples.*\(7, 7\).*\(2, 22, 35, 3\)"),
        ((B, 21, 36, C), r"multiples.*\(2, 21, 36, 3\)"),
    ],
)
def test_images_of_another_form_are_refused(sides, message, built):
    layer = build() if built else PatchEmbedding(7, D)
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(sides, "float32"))
    with pytest.raises(ValueError, match=message):
        layer(keras.KerasTensor(sides))


def test_wrong_arguments_are_refused():
    for patch_size in (0, (7,), (7, 0), (7, 11, 13), (7.0, 11), 7.5, None):
        with pytest.raises(ValueError, match="`patch_size`"):
            PatchEmbedding(patch_size, D)
    for dim in (0, 2.5, None):
        with pytest.raises(ValueError, match=f"`dim`.*{dim}"):
            PatchEmbedding(7, dim)
