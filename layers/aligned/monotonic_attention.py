from typing import Any

import keras
from keras import ops

from ..functional.sizes import is_expression, known
from ..functional.tables import kernel_of
from ..serialization import register
from ..types import Config, Tensor
from .aligned_attention import AlignedAttention

MODES = (None, "soft", "hard")
MOST_DOUBLINGS = 20  # Of a length that is not known: as many as any memory needs.


@register
class MonotonicAttention(AlignedAttention):
    """Attention that moves along the keys and never back, by Raffel et al. (2017).

    Each query starts at the key that the one before it chose, and goes on from key to key until it
    stops at one:

    1. Scores `e_ij = g v^T tanh(W q_i + V k_j + b) / |v| + r` (equation 16).
    2. Probability of stopping `p_ij = sigmoid(e_ij)`, 0 for a masked key.
    3. Probability of getting there `q_ij = (1 - p_{i,j-1}) q_{i,j-1} + a_{i-1,j}`, and weights
       `a_ij = p_ij q_ij` (equations 11 to 13), where `a_0` is 1 at the first key.
    4. Context `c_i = sum_j a_ij v_j`.

    *Soft*, this is the expected choice, which has gradients. *Hard*, `p` is rounded, and the query
    chooses the first key with `p > 1/2` at or after the last one chosen: a linear pass that needs
    no key beyond it. A row of weights may sum to less than one, and of a hard one to zero: the rest
    is the probability that the query stopped at no key, and later queries will not either.

    Args:
        units: Size of the space in which queries and keys are compared.
        mode: `"soft"`, `"hard"`, or `None`: soft in training, hard otherwise.
        noise: Standard deviation of the noise that training adds to the scores of soft attention,
            which drives `p` to 0 or 1, so that hard attention is like it.
        initial_bias: Where `r` begins. The longer the memory, the lower it should be, or the
            gradient does not get far.
        use_bias: Whether `query_projection` and `key_projection` add a bias, which is `b`.
        dropout: Share of the weights that is dropped in training.
        seed: Seed of the dropout and of the noise.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments: see `AttentionLayer`, and
        previous_weights: `(B, S)`, the weights of the step before the first query; 1 at the first
            key if `None`.

    Queries are taken one after the other. A masked query, or one without any key, has zero weights
    and a zero context, and the next one starts where the one before it stopped. Weights are
    `(B, T, S)`, the output is `(B, T, Dv)`.

    Example:
    >>> decoder_states, encoder_states = np.ones((2, 5, 16)), np.ones((2, 7, 32))
    >>> layer = MonotonicAttention(64)
    >>> context, weights = layer(decoder_states, encoder_states, return_attention_scores=True)
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 5, 32), (2, 5, 7))

    Reference:
        [Raffel et al., 2017](https://arxiv.org/abs/1704.00784)
    """

    def __init__(
        self,
        units: int,
        mode: str | None = None,
        noise: float = 1.0,
        initial_bias: float = -4.0,
        use_bias: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {MODES}. Received: mode={mode!r}")
        if noise < 0:
            raise ValueError(f"`noise` must not be negative. Received: noise={noise}")
        super().__init__(units, use_bias=use_bias, dropout=dropout, seed=seed, **kwargs)
        self.mode = mode
        self.noise = noise
        self.initial_bias = initial_bias

    def _build_projections(self, query_shape, value_shape, key_shape):
        super()._build_projections(query_shape, value_shape, key_shape)

        def scalar(value, name):
            initializer = keras.initializers.Constant(value)
            return self.add_weight(shape=(), initializer=initializer, name=name)

        self.score_scale = scalar(self.units**-0.5, "score_scale")
        self.score_bias = scalar(self.initial_bias, "score_bias")
        if self.noise:
            # Not the seed of the dropout, which would draw the same numbers.
            seed = None if self.seed is None else self.seed + 1
            self.noise_seed = keras.random.SeedGenerator(seed)

    def _is_soft(self, training):
        return bool(training) if self.mode is None else self.mode == "soft"

    def initial_alignment(self, rows: int, key_length: int) -> Any:
        first = ops.cast(ops.arange(key_length, dtype="int32") == 0, "float32")
        return super().initial_alignment(rows, key_length) + first

    def score(self, query: Tensor, key: Tensor, alignment: Tensor) -> Any:
        scores = ops.cast(super().score(query, key, alignment), "float32")
        direction = ops.cast(kernel_of(self.score_projection), "float32")
        norm = ops.sqrt(ops.sum(ops.square(direction)) + 1e-12)
        scale, bias = (ops.cast(x, "float32") for x in (self.score_scale, self.score_bias))
        return scores * (scale / norm) + bias

    def sample_noise(self, shape: Any, training: bool | None = None) -> Any:
        if not (training and self.noise and self._is_soft(training)):
            return None
        return keras.random.normal(shape, stddev=self.noise, dtype="float32", seed=self.noise_seed)

    def normalize(
        self, scores: Tensor, alignment: Tensor, mask: Tensor, training: bool | None
    ) -> Any:
        if self._is_soft(training):
            # 1 - p would be 0 for scores of 17 and more.
            stop, go_on = ops.sigmoid(scores), ops.sigmoid(-scores)
        else:
            stop = ops.cast(scores > 0, "float32")
            go_on = 1 - stop
        if mask is not None:
            stop, go_on = ops.where(mask, stop, 0.0), ops.where(mask, go_on, 1.0)
        return stop * _recurrence(go_on, alignment)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "mode": self.mode,
            "noise": self.noise,
            "initial_bias": self.initial_bias,
        }


def _recurrence(factor, x):
    """`y_j = factor_{j-1} y_{j-1} + x_j` along the last axis, by doubling the reach of each sum.

    It takes log S steps and never divides by a product of factors, so that it is exact where these
    are 0 or 1, and as precise as float32 elsewhere.
    """
    length = ops.shape(x)[-1]
    factor = _shift(factor, 1)
    if is_expression(length):
        return ops.fori_loop(0, MOST_DOUBLINGS, lambda i, pair: _double(*pair, 2**i), (x, factor))[
            0
        ]
    for i in range((length - 1).bit_length() if known(length) else MOST_DOUBLINGS):
        x, factor = _double(x, factor, 2**i)
    return x


def _double(x, factor, reach):
    return x + factor * _shift(x, reach), factor * _shift(factor, reach)


def _shift(x, by):
    """Moves the last axis to the right by `by`; zeros move in."""
    length = ops.shape(x)[-1]
    if not is_expression(length):
        return ops.concatenate([ops.zeros_like(x[..., :by]), x[..., :-by]], axis=-1)
    source = ops.arange(length, dtype="int32") - by
    return ops.where(source >= 0, ops.take(x, ops.maximum(source, 0), axis=-1), 0.0)
