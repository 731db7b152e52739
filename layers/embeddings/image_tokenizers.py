"""Networks from pixels to a map of vectors, for a Transformer or a decoder to attend to."""

from typing import Any

import keras

from .. import replicas
from ..types import Shape
from .patch_embedding import PatchEmbedding


def patch_tokenizer(image_shape: Shape, patch_size: Any, dim: int) -> Any:
    """Patches, flattened and projected, as in Dosovitskiy et al. (2021).

    Args:
        image_shape: `(size, size, C)`, the size a multiple of `patch_size`.
        patch_size: Height and width of a patch.
        dim: D.

    Returns:
        A model from pixels 0 to 255 to a map `(B, size / patch_size, size / patch_size, D)`.

    Example:
    >>> tokenizer = patch_tokenizer((12, 12, 3), patch_size=4, dim=16)
    >>> tuple(tokenizer(np.ones((2, 12, 12, 3))).shape)
    (2, 3, 3, 16)
    """
    side = image_shape[0] // patch_size
    return keras.Sequential(
        [
            keras.Input(image_shape),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            PatchEmbedding(patch_size, dim),
            keras.layers.Reshape((side, side, dim)),
        ],
        name="patch_tokenizer",
    )


def convolutional_tokenizer(
    image_shape: Shape, dim: int, convolutions: int = 1, kernel_size: int = 3
) -> Any:
    """Convolutions and pooling, each of which halves the image: Hassani et al. (2021).

    Args:
        image_shape: `(size, size, C)`.
        dim: D.
        convolutions: How many; the last has D filters, the one before it 64, and each of those
            before half as many as the next, but 16 at least.
        kernel_size: Of the convolutions.

    Returns:
        A model from pixels 0 to 255 to a map `(B, h, w, D)`.

    Example:
    >>> tokenizer = convolutional_tokenizer((12, 12, 3), dim=16, convolutions=2)
    >>> tuple(tokenizer(np.ones((2, 12, 12, 3))).shape)
    (2, 3, 3, 16)
    """
    halvings = []
    for left in reversed(range(convolutions)):
        halvings += [
            keras.layers.Conv2D(
                dim if left == 0 else max(64 // 2 ** (left - 1), 16),
                kernel_size,
                padding="same",
                use_bias=False,
                activation="relu",
                kernel_initializer="he_normal",
            ),
            keras.layers.MaxPooling2D(3, strides=2, padding="same"),
        ]
    return keras.Sequential(
        [keras.Input(image_shape), keras.layers.Rescaling(1 / 127.5, offset=-1), *halvings],
        name="convolutional_tokenizer",
    )


def convolutional_stem(image_shape: Shape) -> Any:
    """A small network for small images: cells of 12 x 12 pixels, each sees 39 x 39 around it.

    A larger field of view blurs what lies where, and the attention with it.

    Args:
        image_shape: `(size, size, C)`.

    Returns:
        A model from pixels 0 to 255 to a map `(B, size / 12, size / 12, 128)`.

    Example:
    >>> tuple(convolutional_stem((24, 24, 3))(np.ones((2, 24, 24, 3))).shape)
    (2, 2, 2, 128)
    """

    def convolution(filters, kernel, strides=1):
        return [
            keras.layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.98, synchronized=replicas.count() > 1),
            keras.layers.Activation("relu"),
        ]

    return keras.Sequential(
        [
            keras.Input(image_shape),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            *convolution(32, 5, strides=2),
            keras.layers.MaxPooling2D(2),
            *convolution(64, 3),
            *convolution(64, 3),
            *convolution(64, 3),
            keras.layers.MaxPooling2D(3),
            *convolution(128, 1),
        ],
        name="convolutional_stem",
    )
