from typing import Any

import keras
from keras import initializers, ops

from ..checks import check_ranks
from ..functional.sizes import static_shape
from ..serialization import register
from ..types import Config, Initializer, Shape, Tensor
from .position_embedding import KINDS, sinusoids

SHARPNESS = -0.75  # Of the bicubic kernel: that of PyTorch, with which DeiT resizes.


@register
class GridPositionEmbedding(keras.layers.Layer):
    """Adds to each cell of a grid, such as the patches of an image, where it is.

    - `learned`: a table of one vector for each cell (Dosovitskiy et al., 2021).
    - `sinusoidal`: the sinusoids of the row in the first half of D, and those of the column in the
      second (Chen et al., 2021). No weights.

    Another grid than the layer was made for covers the same image, finer or coarser: its cells
    stand between those of the old one. Learned vectors are interpolated bicubically (Touvron et
    al., 2021), sinusoids taken at the place itself.

    Args:
        grid: Rows and columns.
        kind: "learned" or "sinusoidal".
        class_token: Whether a class token stands before the cells; it learns a vector of its own,
            and has no sinusoids.
        initializer: Of the learned table.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        inputs: `(B, rows * columns, D)`, row by row, or one more with a class token. Their mask is
            passed on; a fully masked row gets its positions too.
        grid: rows and columns of these inputs; those of the layer if `None`.

    Returns:
        `inputs + positions`.

    Example:
    >>> small, large = np.ones((2, 6, 16)), np.ones((2, 24, 16))
    >>> positions = GridPositionEmbedding((2, 3))
    >>> tuple(positions(small).shape), tuple(positions(large, grid=(4, 6)).shape)
    ((2, 6, 16), (2, 24, 16))

    References:
        - [Dosovitskiy et al., 2021](https://arxiv.org/abs/2010.11929)
        - [Chen, Xie and He, 2021](https://arxiv.org/abs/2104.02057)
        - [Touvron et al., 2021](https://arxiv.org/abs/2012.12877)
    """

    def __init__(
        self,
        grid: Any,
        kind: str = "learned",
        class_token: bool = False,
        initializer: Initializer = "random_normal",
        **kwargs: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: kind={kind!r}")
        super().__init__(**kwargs)
        self.supports_masking = True
        self.grid = _as_grid(grid)
        self.kind = kind
        self.class_token = class_token
        self.initializer = initializers.get(initializer)

    def build(self, inputs_shape: Shape) -> None:
        check_ranks(self, inputs=inputs_shape)
        if self.kind == "learned":
            self.positions = self.add_weight(
                shape=(self._length(self.grid), inputs_shape[-1]),
                initializer=self.initializer,
                name="positions",
            )
        self.built = True

    def call(self, inputs: Tensor, grid: Any = None) -> Any:
        check_ranks(self, inputs=inputs.shape)
        grid = self.grid if grid is None else _as_grid(grid)
        length = static_shape(inputs)[1]
        if length is not None and length != self._length(grid):
            raise ValueError(
                f"A grid of {grid[0]} x {grid[1]} has {self._length(grid)} positions"
                f"{' with its class token' if self.class_token else ''}. "
                f"Received: inputs of shape {tuple(inputs.shape)}"
            )
        return inputs + ops.cast(self.table(grid, inputs.shape[-1]), inputs.dtype)

    def table(self, grid: Any, dim: int) -> Any:
        """The positions of a grid, float32, `(rows * columns, dim)`, one more with a class token.

        Args:
            grid: Rows and columns.
            dim: D.
        """
        token = int(self.class_token)
        if self.kind == "learned":
            positions = ops.convert_to_tensor(self.positions)
            if grid == self.grid:
                return positions
            cells = resize_positions(positions[token:], self.grid, grid)
            return ops.concatenate([positions[:token], cells], axis=0)
        rows, columns = (
            sinusoids(_places(old, new), part)
            for old, new, part in zip(self.grid, grid, ((dim + 1) // 2, dim // 2), strict=True)
        )
        rows, columns = ops.repeat(rows, grid[1], axis=0), ops.tile(columns, (grid[0], 1))
        return ops.pad(ops.concatenate([rows, columns], axis=-1), [(token, 0), (0, 0)])

    def _length(self, grid):
        return grid[0] * grid[1] + self.class_token

    def compute_output_shape(self, inputs_shape: Shape, *args: Any, **kwargs: Any) -> tuple:
        return inputs_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "grid": self.grid,
            "kind": self.kind,
            "class_token": self.class_token,
            "initializer": initializers.serialize(self.initializer),
        }


def resize_positions(positions: Tensor, grid: Any, new_grid: Any) -> Any:
    """Interpolates one vector for each cell of a grid to those of another, bicubically.

    The numbers are those of PyTorch's `interpolate(mode="bicubic", align_corners=False)`, with
    which DeiT (Touvron et al., 2021) changes its resolution: edges are continued, nothing is
    smoothed.

    Args:
        positions: `(rows * columns, D)`, row by row.
        grid: Their rows and columns.
        new_grid: Those of the result.

    Returns:
        float32, `(new_rows * new_columns, D)`.

    Example:
    >>> row = np.array([[0.0], [1.0]])
    >>> print(ops.convert_to_numpy(resize_positions(row, (1, 2), (1, 4)))[:, 0].round(2))
    [-0.11  0.23  0.77  1.11]
    """
    rows, columns = (_bicubic(old, new) for old, new in zip(grid, new_grid, strict=True))
    cells = ops.reshape(ops.cast(positions, "float32"), (*grid, -1))
    cells = ops.einsum("ri,cj,ijd->rcd", rows, columns, cells)
    return ops.reshape(cells, (new_grid[0] * new_grid[1], -1))


def _places(size, new_size):
    """Where the centres of `new_size` cells stand among the centres of `size` cells: `(new,)`."""
    return (ops.arange(new_size, dtype="float32") + 0.5) * (size / new_size) - 0.5


def _bicubic(size, new_size):
    """The weights of the old cells in each new one, `(new_size, size)` (Keys, 1981)."""
    taps = ops.arange(-2, size + 2)
    x = ops.abs(_places(size, new_size)[:, None] - ops.cast(taps, "float32"))
    near = ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1
    far = SHARPNESS * (((x - 5) * x + 8) * x - 4)
    weights = ops.where(x <= 1, near, ops.where(x < 2, far, 0.0))
    # What lies beyond an edge is the cell at the edge.
    return ops.matmul(weights, ops.one_hot(ops.clip(taps, 0, size - 1), size))


def _as_grid(grid):
    grid = tuple(grid)
    if len(grid) != 2 or not all(isinstance(side, int) and side > 0 for side in grid):
        raise ValueError(f"`grid` must be a pair of positive integers. Received: grid={grid}")
    return grid
