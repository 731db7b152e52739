from typing import Any

import keras
from keras import ops

from ..blocks.transformer_block import serialize_attention
from ..blocks.word_dropout import word_dropout
from ..checks import SeparateTensors, check_memory, refuse_call_arguments
from ..functional.masking import boolean_mask
from ..registry import MECHANISMS, get
from ..serialization import QuantizedParts, register
from ..types import Config, Shape, Tensor
from .attention_rnn import AttentionRNN


@register
class RecurrentDecoder(SeparateTensors, QuantizedParts, keras.layers.Layer):
    """Tokens to logits by an LSTM that attends to a memory: the decoder of Show, Attend and Tell.

    1. The first state comes from the mean of the memory.
    2. `AttentionRNN` runs over the embedded tokens, with input feeding.
    3. Logits come from a hidden layer over state, context and embedded token (the *deep output* of
       Bahdanau et al., 2015).

    Args:
        vocabulary_size: V.
        dim: Size of the state and of the embedding.
        attention: A single-head name of `layers.mechanisms()`, sized `dim // 2`, or a layer, such
            as `CoverageAttention(256)`.
        num_layers: LSTMs on top of each other.
        dropout: On the embedding and before the logits.
        word_dropout: Share of the tokens that training hides from the decoder, so that it looks at
            the memory rather than guess from what was said.
        seed: Seed of the dropout.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        tokens: `(B, T)`, integers.
        memory: `(B, S, M)`, or `(B / K, S, M)` if each K sequences, side by side, share one.
        memory_mask: boolean, `(B, S)` or `(B / K, S)`. Where it is fully masked, weights and
            context are zero.
        return_attention_scores: whether to return the weights `(B, T, S)` as well.

    Returns:
        Logits `(B, T, V)`, and the weights if asked for.

    Example:
    >>> decoder = RecurrentDecoder(vocabulary_size=11, dim=8)
    >>> logits, weights = decoder(
    ...     np.ones((2, 5), "int32"), np.ones((2, 7, 6)), return_attention_scores=True
    ... )
    >>> tuple(logits.shape), tuple(weights.shape)
    ((2, 5, 11), (2, 5, 7))

    References:
        - [Bahdanau, Cho and Bengio, 2015](https://arxiv.org/abs/1409.0473)
        - [Xu et al., 2015](https://arxiv.org/abs/1502.03044)
        - Word dropout: [Bowman et al., 2016](https://arxiv.org/abs/1511.06349)
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        attention: str | keras.layers.Layer = "additive",
        num_layers: int = 1,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_call_arguments(self, kwargs)
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.attention = attention
        self.num_layers = num_layers
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.seed = seed

    def build(self, tokens_shape: Shape, memory_shape: Shape) -> None:
        def dense(units, activation, name, input_dim):
            layer = keras.layers.Dense(
                units, activation=activation, dtype=self.dtype_policy, name=name
            )
            layer.build((None, input_dim))
            return layer

        attention = self.attention
        if isinstance(attention, str):
            # Else one step of Adam can move a product of states by ten, and attention gets stuck.
            known = MECHANISMS.get(attention)
            options = {"scale": self.dim**-0.5} if known and known.unscaled else {}
            options = {**options, "dtype": self.dtype_policy, "name": "attention"}
            attention = get(attention, dim=max(self.dim // 2, 1), **options)
        memory_dim = memory_shape[-1]
        self.embedding = keras.layers.Embedding(
            self.vocabulary_size,
            self.dim,
            # Large enough that words differ from the first step on: from Keras's +-0.05 attention
            # between LSTMs stays even for many epochs.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.embedding.build(tokens_shape)
        size = 2 * self.dim * self.num_layers
        self.first_state = dense(size, "tanh", "first_state", memory_dim)
        cells = [
            keras.layers.LSTMCell(self.dim, dtype=self.dtype_policy) for _ in range(self.num_layers)
        ]
        if len(cells) > 1:
            cells = [keras.layers.StackedRNNCells(cells, dtype=self.dtype_policy)]
        self.rnn = AttentionRNN(
            cells[0],
            attention,
            dtype=self.dtype_policy,
            name="rnn",
        )
        self.rnn.build((*tokens_shape, self.dim), tuple(memory_shape))
        self.readout = dense(self.dim, "tanh", "readout", 2 * self.dim + memory_dim)
        self.logits = dense(self.vocabulary_size, None, "logits", self.dim)
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.word_dropout_layer = word_dropout(
            self.word_dropout, seed=self.seed, dtype=self.dtype_policy
        )
        self.built = True

    def attention_layers(self) -> list:
        """The layers that look at the memory, once built: here one.

        No property: what Keras finds behind one, it saves there.
        """
        return [self.rnn.attention]

    def call(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        features, weights = self.features(tokens, memory, memory_mask, training=training)
        logits = self.project(features, training)
        return (logits, weights) if return_attention_scores else logits

    def embed(self, tokens: Tensor) -> Any:
        """Tokens `(B, S)` to vectors `(B, S, D)`, for an encoder to share."""
        return self.embedding(tokens)

    def features(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = True,
        training: bool | None = None,
    ) -> Any:
        """What logits are made of, state, context and word `(B, T, 2 D + M)`, and the weights."""
        check_memory(self, tokens, memory, memory_mask)
        embedded = self.word_dropout_layer(self.embedding(tokens), training=training)
        embedded = self.dropout_layer(embedded, training=training)
        outputs, weights = self.rnn(
            embedded,
            memory,
            memory_mask=memory_mask,
            initial_state=self._first_states(memory, memory_mask, ops.shape(tokens)[0]),
            return_attention_scores=True,
            training=training,
        )
        return ops.concatenate([outputs, embedded], axis=-1), weights

    def features_dim(self, memory_dim: int) -> int:
        """Size of the features."""
        return 2 * self.dim + memory_dim

    def project(self, features: Tensor, training: bool | None = None) -> Any:
        """Features to logits."""
        return self.logits(self.dropout_layer(self.readout(features), training=training))

    def _first_states(self, memory, memory_mask, rows):
        memory = ops.cast(memory, "float32")  # Half precision cannot count hundreds of positions.
        if memory_mask is None:
            mean = ops.mean(memory, axis=1)
        else:
            mask = ops.cast(boolean_mask(memory_mask, "memory_mask"), "float32")[..., None]
            mean = ops.sum(memory * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1)
        states = ops.split(self.first_state(mean), 2 * self.num_layers, axis=-1)
        return [ops.repeat(state, rows // ops.shape(memory)[0], axis=0) for state in states]

    def start(
        self, memory: Tensor, candidates: int, max_length: int, memory_mask: Tensor | None = None
    ) -> Any:
        """Where decoding begins: the projected memory, and the first states of all candidates."""
        rows = ops.shape(memory)[0] * candidates
        states = self._first_states(memory, memory_mask, rows)
        others = self.rnn.get_initial_state(rows, memory.shape[-1], ops.shape(memory)[1])
        mask = None if memory_mask is None else boolean_mask(memory_mask, "memory_mask")[:, None]
        return (self.rnn.attention.project_memory(memory), mask), [*states, *others[len(states) :]]

    def step(self, tokens: Tensor, index: Any, memory: Any, state: Any) -> Any:
        """One token `(B * K,)` of each candidate: logits `(B * K, V)`, weights, new state."""
        features, weights, state = self.step_features(tokens, index, memory, state)
        return self.project(features), weights, state

    def step_features(self, tokens: Tensor, index: Any, memory: Any, state: Any) -> Any:
        """As `step`, with what the logits are made of, `(B * K, 2 D + M)`, in their place."""
        projected, mask = memory
        embedded = self.embedding(tokens)
        outputs, weights, state = self.rnn.step(embedded, projected, state, mask=mask)
        return ops.concatenate([outputs, embedded], axis=-1), weights, list(state)

    def compute_output_spec(
        self,
        tokens: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_memory(self, tokens, memory, memory_mask)
        shape = (*tokens.shape, self.vocabulary_size)
        logits = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return logits
        shape = (*tokens.shape, memory.shape[1])
        return logits, keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "attention": serialize_attention(self.attention),
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "word_dropout": self.word_dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        if isinstance(config["attention"], dict):
            config["attention"] = keras.saving.deserialize_keras_object(config["attention"])
        return cls(**config)
