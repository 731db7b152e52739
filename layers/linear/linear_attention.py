import math
from typing import Any

from keras import initializers, ops

from ..attention.projected_attention import ProjectedAttention
from ..functional.masking import AttentionMask
from ..serialization import register
from ..types import Config, Tensor

FEATURE_MAPS = ("elu", "relu", "favor")
CHUNK = 128  # Positions between two states of causal attention.


@register
class LinearAttention(ProjectedAttention):
    """Attention whose weights are a product of features, in time and memory linear in the length.

    With a feature map `phi`, weights are `phi(q) . phi(k)` over their sum, so that

        output_i = phi(q_i) sum_j phi(k_j) v_j^T / (phi(q_i) . sum_j phi(k_j)),

    and both sums are computed once for all queries (Katharopoulos et al., 2020). In causal
    attention they are prefix sums, over chunks of 128 positions.

    - `elu`: `phi(x) = elu(x) + 1`.
    - `relu`: `phi(x) = relu(x) + 0.001` (the generalized attention of Choromanski et al., 2021).
    - `favor`: `phi(x) = exp(w x - |x|^2 / 2)` with `num_features` orthogonal random vectors `w` and
      `x` over `H^(1/4)`: positive features, whose expectation is softmax attention (FAVOR+,
      Choromanski et al., 2021). They are drawn once, from `seed`, and saved, as a weight that is
      not trained. Exponents are taken from the largest over all keys: where they differ by more
      than 87, the smaller ones are lost to float32, in causal attention as well.

    Args:
        num_heads: N.
        key_dim: H.
        feature_map: "elu", "relu" or "favor".
        num_features: Of `favor`; `H log H` if `None`.
        dropout: Share of the entries of the heads' outputs that is dropped in training; there are
            no weights to drop.
        **kwargs: Of `ProjectedAttention`: `value_dim`, `seed`, initializers and so on.

    Call arguments: see `AttentionLayer`. An `attention_mask` has no linear form and is an error;
    all other masks have one. The implied weights `(B, N, T, S)`, if asked for, are computed beside
    the output. A query that may see no key has zero weights and a zero context: its output is the
    bias of the output projection.

    Example:
    >>> x = np.ones((2, 5, 16))
    >>> layer = LinearAttention(num_heads=2, key_dim=8, feature_map="favor", seed=1)
    >>> tuple(layer(x, x, use_causal_mask=True).shape)
    (2, 5, 16)

    References:
        - [Katharopoulos et al., 2020](https://arxiv.org/abs/2006.16236)
        - [Choromanski et al., 2021](https://arxiv.org/abs/2009.14794)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        feature_map: str = "elu",
        num_features: int | None = None,
        **kwargs: Any,
    ) -> None:
        if feature_map not in FEATURE_MAPS:
            raise ValueError(
                f"`feature_map` must be one of {FEATURE_MAPS}. Received: {feature_map!r}"
            )
        if num_features is not None:
            if feature_map != "favor":
                raise ValueError(
                    f"Only 'favor' has `num_features`. Received: feature_map={feature_map!r}"
                )
            if not isinstance(num_features, int) or num_features <= 0:
                raise ValueError(
                    f"`num_features` must be a positive integer. Received: {num_features}"
                )
        super().__init__(num_heads, key_dim, **kwargs)
        self.feature_map = feature_map
        self.num_features = num_features

    def _build_projections(self, query_shape, value_shape, key_shape):
        super()._build_projections(query_shape, value_shape, key_shape)
        if self.feature_map == "favor":
            number = self.num_features or math.ceil(self.key_dim * math.log(self.key_dim + 1))
            self.random_features = self.add_weight(
                shape=(number, self.key_dim),
                initializer=self._orthogonal_features,
                trainable=False,
                name="random_features",
            )

    def _orthogonal_features(self, shape, dtype=None):
        """Rows orthogonal in groups of H, each as long as that of a normal matrix (section 2.4)."""
        number, size = shape
        seed = self.seed if self.seed is not None else initializers.RandomNormal().seed
        rows = [
            initializers.Orthogonal(seed=seed + i)((size, size), dtype="float32")
            for i in range(-(-number // size))
        ]
        normal = initializers.RandomNormal(stddev=1.0, seed=seed)(shape, dtype="float32")
        lengths = ops.sqrt(ops.sum(ops.square(normal), axis=1, keepdims=True))
        return ops.cast(ops.concatenate(rows, axis=0)[:number] * lengths, dtype or "float32")

    def attend(
        self,
        query: Tensor,
        memory: Any,
        mask: Any = None,
        training: bool | None = None,
        dropout_mask: Tensor | None = None,
        return_attention_scores: bool = True,
    ) -> Any:
        mask = AttentionMask.of(mask)
        if mask.pairs is not None:
            raise ValueError(
                f"{type(self).__name__} has no linear form of an `attention_mask`: only masks over "
                "queries or keys, and the causal one."
            )
        keys, values = (
            ops.repeat(ops.cast(x, "float32"), self.num_heads // x.shape[1], axis=1) for x in memory
        )
        query = ops.cast(ops.swapaxes(self.query_projection(query), 1, 2), "float32")
        seen = None if mask.keys is None else mask.keys[:, None, :, None]
        queries, keys = self._features(query), self._features(keys, seen, keys=True)
        if mask.queries is not None:
            queries = ops.where(mask.queries[:, None, :, None], queries, 0.0)
        sums = _causal_sums if mask.causal else _sums
        context = ops.cast(_ratio(*sums(queries, keys, values)), self.compute_dtype)
        context = self.weights_dropout(context, training=training)
        weights = None
        if return_attention_scores:
            weights = ops.matmul(queries, ops.swapaxes(keys, 2, 3))
            if mask.causal:
                shape = ops.shape(weights)
                causal = AttentionMask(use_causal_mask=True).rows(0, shape[2], shape[3])
                weights = ops.where(causal, weights, 0.0)
            weights = _ratio(weights, ops.sum(weights, axis=-1, keepdims=True))
            weights = ops.cast(weights, self.compute_dtype)
        return self.output_projection(ops.swapaxes(context, 1, 2)), weights

    def _features(self, x, seen=None, keys=False):
        """`phi(x)`, `(B, N, T, F)`; zero where not `seen`."""
        if self.feature_map == "elu":
            features = ops.elu(x) + 1.0
        elif self.feature_map == "relu":
            features = ops.relu(x) + 1e-3
        else:
            x = x * self.key_dim**-0.25
            random = ops.cast(ops.transpose(ops.convert_to_tensor(self.random_features)), "float32")
            exponents = ops.matmul(x, random) - ops.sum(ops.square(x), -1, keepdims=True) / 2
            if seen is not None:
                exponents = ops.where(seen, exponents, -1e30)
            # A factor of a query, or of all keys, is in both sums and cancels.
            most = ops.max(exponents, axis=(2, 3) if keys else 3, keepdims=True)
            most = ops.maximum(ops.stop_gradient(most), -1e20)
            features = ops.exp(exponents - most)
        return features if seen is None else ops.where(seen, features, 0.0)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "feature_map": self.feature_map,
            "num_features": self.num_features,
        }


def _ratio(over, under):
    """`over / under`, and zero, with a zero gradient, where `under` is."""
    some = under > 0
    return ops.where(some, over, 0.0) / ops.where(some, under, 1.0)


def _sums(queries, keys, values):
    state = ops.matmul(ops.swapaxes(keys, 2, 3), values)
    total = ops.sum(keys, axis=2)[..., None]
    return ops.matmul(queries, state), ops.matmul(queries, total)


def _causal_sums(queries, keys, values):
    """Sums over the keys up to each query: those of its chunk, and the state of all before it."""
    batch, heads, length, _ = ops.shape(queries)
    chunks = (length + CHUNK - 1) // CHUNK

    def in_chunks(x):
        # Keys past the last query are seen by none.
        x = x[:, :, :length]
        extra = chunks * CHUNK - ops.shape(x)[2]
        x = ops.concatenate([x, ops.zeros((batch, heads, extra, x.shape[3]), dtype=x.dtype)], 2)
        return ops.reshape(x, (batch, heads, chunks, CHUNK, x.shape[3]))

    def of_earlier_chunks(x):
        return ops.cumsum(ops.pad(x, [(0, 0), (0, 0), (1, 0), (0, 0), (0, 0)])[:, :, :-1], axis=2)

    queries, keys, values = in_chunks(queries), in_chunks(keys), in_chunks(values)
    weights = ops.matmul(queries, ops.swapaxes(keys, 3, 4))
    causal = AttentionMask(use_causal_mask=True).rows(0, CHUNK, CHUNK)
    weights = ops.where(causal, weights, 0.0)
    state = of_earlier_chunks(ops.matmul(ops.swapaxes(keys, 3, 4), values))
    total = of_earlier_chunks(ops.sum(keys, axis=3)[..., None])
    over = ops.matmul(weights, values) + ops.matmul(queries, state)
    under = ops.sum(weights, axis=-1, keepdims=True) + ops.matmul(queries, total)
    shape = (batch, heads, chunks * CHUNK)
    over = ops.reshape(over, (*shape, values.shape[4]))
    return over[:, :, :length], ops.reshape(under, (*shape, 1))[:, :, :length]
