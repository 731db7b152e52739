from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ..blocks.transformer_decoder_block import TransformerDecoderBlock
from ..blocks.transformer_encoder_block import TransformerEncoderBlock
from ..checks import check_keys
from ..embeddings.position_embedding import PositionEmbedding, sinusoids
from ..functional.halving import halved, pad_ends
from ..functional.tables import embeddings_of
from ..serialization import QuantizedParts, register
from ..types import Config, Tensor

IMPOSSIBLE = -1e30
NORM_EPSILON = 1e-5


@register
class Whisper(QuantizedParts, keras.Model):
    """Speech to text by two Transformers, Radford et al. (2023).

    Two convolutions, the second of stride 2, make the encoder's sequence of a log-mel spectrogram,
    and sinusoids tell it the time. The decoder's positions are learned; its embedding and its
    logits share their table.

    The start token stands for a whole prompt, which takes its place: what language is spoken, what
    is to be written. So sequences begin and end as those of any other decoder.

    Args:
        vocabulary_size: V, the tokens that there are logits of.
        dim: D.
        num_layers: Blocks of the encoder, and of the decoder.
        num_heads: N.
        mlp_dim: Size of the perceptrons' hidden layers.
        num_mels: M, bands of the spectrogram.
        max_frames: Longest spectrogram, in frames; an even number.
        max_length: Longest sequence, in tokens, the prompt included.
        prompt: Ids that take the place of the first token of every sequence. The table has rows for
            those from V on too.
        forbidden: Ids that decoding never chooses.
        forbidden_first: Ids that decoding does not choose as the first one.
        dropout: On the input of encoder and decoder, the branches and the attention weights.
        seed: Seed of the dropout.
        remat: Whether training computes the activations of blocks again in the backward pass,
            which saves the memory to keep them.
        **kwargs: Of `keras.Model`.

    Call arguments:
        inputs: a dict of `features` `(B, F, M)` and `tokens` `(B, T)`, which begin with the start
            token. Silence that fills a spectrogram up is heard as such; there is no mask.
        return_attention_scores: whether to return the weights `(B, T, S)`, `S = F / 2`, as well:
            the mean over blocks and heads.

    Returns:
        Logits `(B, T, V)`, of all ids alike; and the weights if asked for.

    `start` and `step` decode token by token, `K` candidates for each spectrogram, which is encoded
    once and projected once.

    Example:
    >>> model = Whisper(vocabulary_size=11, dim=8, num_layers=1, num_heads=2, mlp_dim=16)
    >>> sound, tokens = np.ones((2, 26, 80), "float32"), np.ones((2, 5), "int32")
    >>> inputs = {"features": sound, "tokens": tokens}
    >>> logits, weights = model(inputs, return_attention_scores=True)
    >>> tuple(logits.shape), tuple(weights.shape)
    ((2, 5, 11), (2, 5, 13))

    Reference:
        [Radford et al., 2023](https://arxiv.org/abs/2212.04356)
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int,
        num_layers: int,
        num_heads: int,
        mlp_dim: int,
        num_mels: int = 80,
        max_frames: int = 3000,
        max_length: int = 448,
        prompt: Sequence[int] = (1,),
        forbidden: Sequence[int] = (),
        forbidden_first: Sequence[int] = (),
        dropout: float = 0.0,
        seed: int | None = None,
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        if not prompt:
            raise ValueError("`prompt` needs at least one id: the one that text follows on.")
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.num_mels = num_mels
        self.max_frames = max_frames
        self.max_length = max_length
        self.prompt = list(prompt)
        self.forbidden = list(forbidden)
        self.forbidden_first = list(forbidden_first)
        self.dropout = dropout
        self.seed = seed
        self.remat = remat

    def build(self, inputs_shape: Any = None) -> None:
        frames_shape = (None, self.max_frames, self.num_mels)
        memory_shape = (None, None, self.dim)
        self.convolutions = [
            self._convolution(1, "same", frames_shape, "convolution_0"),
            self._convolution(2, "valid", memory_shape, "convolution_1"),
        ]
        self.encoder_positions = self._positions(
            self.max_frames // 2, _encoder_positions, "encoder_positions", trainable=False
        )
        self.encoder_blocks = self._blocks(TransformerEncoderBlock, "encoder", memory_shape)
        self.encoder_norm = self._norm("encoder_norm")
        self.embedding = keras.layers.Embedding(
            max(self.vocabulary_size, *(id + 1 for id in self.prompt)),
            self.dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.embedding.build((None, None))
        self.decoder_positions = self._positions(
            self.max_length, keras.initializers.RandomNormal(stddev=0.02), "decoder_positions"
        )
        self.decoder_blocks = self._blocks(
            TransformerDecoderBlock, "decoder", memory_shape, memory_shape
        )
        self.decoder_norm = self._norm("decoder_norm")
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy, name="dropout"
        )
        self.built = True

    def _convolution(self, strides, padding, input_shape, name):
        convolution = keras.layers.Conv1D(
            self.dim, 3, strides=strides, padding=padding, dtype=self.dtype_policy, name=name
        )
        convolution.build(input_shape)
        return convolution

    def _positions(self, length, initializer, name, trainable=True):
        positions = PositionEmbedding(
            length, initializer=initializer, dtype=self.dtype_policy, name=name, trainable=trainable
        )
        positions.build((None, None, self.dim))
        return positions

    def _blocks(self, block_class, name, *shapes):
        blocks = []
        for i in range(self.num_layers):
            block = block_class(
                self.num_heads,
                self.mlp_dim,
                dropout=self.dropout,
                norm_epsilon=NORM_EPSILON,
                seed=self.seed,
                remat=self.remat,
                dtype=self.dtype_policy,
                name=f"{name}_block_{i}",
            )
            block.build(*shapes)
            blocks.append(block)
        return blocks

    def _norm(self, name):
        norm = keras.layers.LayerNormalization(
            epsilon=NORM_EPSILON, dtype=self.dtype_policy, name=name
        )
        norm.build((None, None, self.dim))
        return norm

    def encode(self, features: Tensor, training: bool | None = None) -> Any:
        """The memory `(B, S, D)` of spectrograms `(B, F, M)`."""
        first, second = self.convolutions
        x = ops.gelu(first(features), approximate=False)
        x = ops.gelu(second(pad_ends(x)), approximate=False)
        x = self.dropout_layer(self.encoder_positions(x), training=training)
        for block in self.encoder_blocks:
            x = block(x, training=training)
        return self.encoder_norm(x)

    def call(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_keys(self, inputs, "features", "tokens")
        memory = self.encode(inputs["features"], training)
        tokens = inputs["tokens"]
        prompt = self._prompt(ops.shape(tokens)[0], self.prompt)
        x, weights, _ = self._decode(
            ops.concatenate([prompt, ops.cast(tokens[:, 1:], "int32")], axis=1),
            [block.project_memory(memory) for block in self.decoder_blocks],
            return_attention_scores=return_attention_scores,
            training=training,
        )
        before = len(self.prompt) - 1
        logits = self._logits(x[:, before:])
        return (logits, weights[:, before:]) if return_attention_scores else logits

    def _prompt(self, rows, ids):
        return ops.broadcast_to(ops.convert_to_tensor([ids], dtype="int32"), (rows, len(ids)))

    def _decode(
        self,
        tokens,
        projected,
        index=0,
        caches=None,
        return_attention_scores=True,
        training=None,
    ):
        """What logits are made of, `(B, T, D)`, the weights, and the new caches if given any."""
        x = self.decoder_positions(self.embedding(tokens), start_index=index)
        x = self.dropout_layer(x, training=training)
        weights, new_caches = [], []
        for i, block in enumerate(self.decoder_blocks):
            cached = {} if caches is None else {"cache": caches[i], "cache_index": index}
            results = block(
                x,
                projected[i],
                return_attention_scores=return_attention_scores,
                training=training,
                **cached,
            )
            x, *others = results if isinstance(results, tuple) else (results,)
            if caches is not None:
                new_caches.append(others.pop())
            weights += others
        mean = ops.mean(ops.stack(weights), axis=(0, 2)) if weights else None
        return self.decoder_norm(x), mean, new_caches

    def _logits(self, x):
        table = embeddings_of(self.embedding)
        # Cut afterwards: to cut the table would be to copy all of it.
        return ops.matmul(x, ops.transpose(table))[..., : self.vocabulary_size]

    def start(self, inputs: dict[str, Tensor], candidates: int, max_length: int) -> Any:
        before = len(self.prompt) - 1
        if max_length + before > self.max_length:
            raise ValueError(
                f"This Whisper has {self.max_length} positions, {before} of them for its prompt. "
                f"Received: max_length={max_length}"
            )
        memory = self.encode(inputs["features"])
        projected = [block.project_memory(memory) for block in self.decoder_blocks]
        rows = ops.shape(memory)[0] * candidates
        caches = [block.init_cache(rows, max_length + before) for block in self.decoder_blocks]
        if before:
            prompt = self._prompt(rows, self.prompt[:-1])
            _, _, caches = self._decode(prompt, projected, 0, caches)
        return projected, caches, ops.shape(memory)[1]

    def step(self, tokens: Any, index: Any, memory: Any, state: Any) -> Any:
        first = ops.equal(index, 0)
        tokens = ops.where(first, self.prompt[-1], tokens)
        position = index + (len(self.prompt) - 1)
        x, weights, state = self._decode(tokens[:, None], memory, position, state)
        logits = ops.cast(self._logits(x)[:, 0], "float32")
        impossible = ops.logical_or(
            self._among(self.forbidden),
            ops.logical_and(first, self._among(self.forbidden_first)),
        )
        return ops.where(impossible, IMPOSSIBLE, logits), weights[:, 0], state

    def _among(self, ids):
        """Boolean `(V,)`: which ids are among these."""
        ids = ops.convert_to_tensor(ids, dtype="int32")
        every = ops.arange(self.vocabulary_size, dtype="int32")
        return ops.any(every[:, None] == ids, axis=1)

    def compute_output_spec(
        self,
        inputs: dict[str, Tensor],
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_keys(self, inputs, "features", "tokens")
        shape = tuple(inputs["tokens"].shape)
        logits = keras.KerasTensor((*shape, self.vocabulary_size), dtype=self.compute_dtype)
        if not return_attention_scores:
            return logits
        frames = inputs["features"].shape[1]
        key_length = None if frames is None else halved(frames)
        return logits, keras.KerasTensor((*shape, key_length), dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "num_mels": self.num_mels,
            "max_frames": self.max_frames,
            "max_length": self.max_length,
            "prompt": list(self.prompt),
            "forbidden": list(self.forbidden),
            "forbidden_first": list(self.forbidden_first),
            "dropout": self.dropout,
            "seed": self.seed,
            "remat": self.remat,
        }

    def get_build_config(self) -> Config:
        return {"inputs_shape": None}

    def build_from_config(self, config: Config) -> None:
        self.build(**config)


def _encoder_positions(shape, dtype=None):
    """Sines of all wavelengths, then their cosines; the longest is exactly 10,000 times 2 pi."""
    length, dim = shape
    base = 10_000.0 ** (dim / max(dim - 2, 1))
    pairs = sinusoids(ops.arange(length), dim, base)
    return ops.cast(ops.concatenate([pairs[:, ::2], pairs[:, 1::2]], axis=1), dtype or "float32")
