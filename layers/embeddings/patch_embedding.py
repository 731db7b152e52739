from typing import Any

import keras
from keras import ops

from ..functional.sizes import known
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor
from .class_token import ClassToken


@register
class PatchEmbedding(QuantizedParts, keras.layers.Layer):
    """Images to sequences of embedded patches, Dosovitskiy et al. (2021).

    `z_i = W p_i + b`, where `p_i` is the patch `i`, flattened; patches stand row by row. The same
    as a convolution whose stride is its kernel, computed as one matrix product.

    Args:
        patch_size: Height and width of a patch in pixels, or one number for both.
        dim: D.
        class_token: Whether a learned vector stands before the patches, for a model to gather in
            it what it says of the whole image.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        images: `(B, height, width, C)`; height and width are multiples of the patch's. Images have
            no mask.

    Returns:
        `(B, patches, D)`, or `(B, 1 + patches, D)` with a class token.

    Example:
    >>> images = np.ones((2, 32, 48, 3))
    >>> tuple(PatchEmbedding(16, 64)(images).shape)
    (2, 6, 64)
    >>> tuple(PatchEmbedding((8, 16), 64, class_token=True)(images).shape)
    (2, 13, 64)

    Reference:
        [Dosovitskiy et al., 2021](https://arxiv.org/abs/2010.11929)
    """

    def __init__(self, patch_size: Any, dim: int, class_token: bool = False, **kwargs: Any) -> None:
        pair = isinstance(patch_size, (tuple, list))
        sizes = tuple(patch_size) if pair else (patch_size, patch_size)
        if len(sizes) != 2 or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError(
                "`patch_size` must be a positive integer or a pair of them. "
                f"Received: patch_size={patch_size}"
            )
        if not isinstance(dim, int) or dim <= 0:
            raise ValueError(f"`dim` must be a positive integer. Received: dim={dim}")
        super().__init__(**kwargs)
        self.patch_size = sizes
        self.dim = dim
        self.class_token = class_token

    def build(self, images_shape: Shape) -> None:
        self._check(images_shape)
        height, width = self.patch_size
        self.projection = keras.layers.Dense(self.dim, dtype=self.dtype_policy, name="projection")
        self.projection.build((None, height * width * images_shape[-1]))
        if self.class_token:
            self.token = ClassToken(dtype=self.dtype_policy, name="class_token")
            self.token.build((None, None, self.dim))
        self.built = True

    def call(self, images: Tensor) -> Any:
        self._check(images.shape)
        batch, *sides, channels = ops.shape(images)
        (height, width), (rows, columns) = self.patch_size, self._grid(sides)
        images = ops.cast(images, self.compute_dtype)
        patches = ops.reshape(images, (batch, rows, height, columns, width, channels))
        patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
        # One product over all patches: see `scored_attention.project`.
        patches = self.projection(ops.reshape(patches, (-1, height * width * channels)))
        patches = ops.reshape(patches, (batch, rows * columns, self.dim))
        return self.token(patches) if self.class_token else patches

    def compute_output_shape(self, images_shape: Shape) -> tuple:
        self._check(images_shape)
        rows, columns = self._grid(images_shape[1:3])
        patches = None if None in (rows, columns) else rows * columns + bool(self.class_token)
        return images_shape[0], patches, self.dim

    def _grid(self, sides):
        """Patches in a column and in a row of the image."""
        return tuple(
            None if side is None else side // size
            for side, size in zip(sides, self.patch_size, strict=True)
        )

    def _check(self, shape):
        if len(shape) != 4:
            raise ValueError(
                "PatchEmbedding takes images: `images` must have rank 4 (batch, height, width, "
                f"channels). Received: images of shape {tuple(shape)}"
            )
        for side, size in zip(shape[1:3], self.patch_size, strict=True):
            if known(side) and side % size:
                raise ValueError(
                    f"The sides of `images` must be multiples of those of patches {self.patch_size}"
                    f". Received: images of shape {tuple(shape)}"
                )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "dim": self.dim,
            "class_token": self.class_token,
        }
