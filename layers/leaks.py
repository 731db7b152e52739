"""A check that users can run on their own models."""

from collections.abc import Callable

import keras
from keras import ops

from .types import Tensor


def sees_the_future(function: Callable, x: Tensor, tolerance: float = 1e-4, seed: int = 0) -> bool:
    """Whether outputs depend on later inputs, as they do where a causal mask is lost.

    A loss that is too low too soon is the only other symptom. For each position, all inputs after
    it are replaced, and no output up to it may change.

    Args:
        function: A layer, a model, or any function of one sequence, with dropout off: `(B, T, ...)`
            to `(B, T, ...)`.
        x: An input, an array `(B, T)` of tokens or `(B, T, D)`; short ones are quicker.
        tolerance: Largest change of an output that counts as none, as a share of the largest
            output.
        seed: Of what the later inputs are replaced with: numbers as large as those of `x`, or
            tokens that occur in it.

    Returns:
        True or False.

    Example:
    >>> layer = MultiHeadAttention(num_heads=2, key_dim=8)
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 16)).astype("float32")
    >>> sees_the_future(lambda x: layer(x, x), x)
    True
    >>> sees_the_future(lambda x: layer(x, x, use_causal_mask=True), x)
    False
    """
    x = ops.convert_to_tensor(x)
    others = ops.reshape(keras.random.shuffle(ops.reshape(x, (-1,)), seed=seed), x.shape)
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        others = -2 * others
    expected = _run(function, x)
    limit = tolerance * max(abs(expected).max(), 1e-30)
    for end in range(1, x.shape[1]):
        changed = ops.concatenate([x[:, :end], others[:, end:]], axis=1)
        if abs(_run(function, changed)[:, :end] - expected[:, :end]).max() > limit:
            return True
    return False


def _run(function, x):
    return ops.convert_to_numpy(ops.cast(function(x), "float32"))
