"""Every layer inside somebody's own: how it is made, what goes in, what is computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

import layers
from tests.layers.test_mechanisms import MECHANISMS, VARIANTS

D, N, V, MLP = 16, 2, 11, 13
B = (2, 3)
LENGTHS = {"T": (5, 11), "S": (7, 13)}  # Two of each.


@dataclass(frozen=True)
class Case:
    """A layer, or a model, inside a custom layer.

    Attributes:
        name: The id of its tests.
        make: Returns the layer.
        run: Maps the layer and the inputs to one tensor.
        inputs: Which there are, of INPUTS, and the length of each, of LENGTHS, if it has one.
    """

    name: str
    make: Callable[[], keras.layers.Layer]
    run: Callable[..., Any]
    inputs: Mapping[str, str]

    def build(self, known, layer=None):
        """A functional model around a custom layer that says nothing of its output."""
        layer = self.make() if layer is None else layer
        inputs = [
            keras.Input(
                (*shape_of(length, 0 if known else None), *INPUTS[kind][0]),
                dtype=INPUTS[kind][1],
                name=f"{kind}_{length}",
            )
            for kind, length in self.inputs.items()
        ]
        return keras.Model(inputs, Around(layer, self.run)(*inputs))

    def arrays(self, which=0, batch=None):
        """Inputs of the first or of the second of all lengths."""
        rng = np.random.default_rng(which)
        batch = batch or B[which]
        arrays = []
        for kind, length in self.inputs.items():
            size, dtype = INPUTS[kind]
            array = rng.normal(size=(batch, *shape_of(length, which), *size))
            if dtype == "int32":
                array = rng.integers(1, V, array.shape)
            arrays.append(array.astype(dtype))
        return arrays


INPUTS = {
    "query": ((D,), "float32"),
    "memory": ((D,), "float32"),
    "tokens": ((), "int32"),
    "source": ((), "int32"),
    "pixels": ((12, 12, 3), "float32"),
}
ONE, TWO = {"query": "T"}, {"query": "T", "memory": "S"}
WORDS, SOUND = {"tokens": "T", "memory": "S"}, {"memory": "S", "tokens": "T"}
TEXTS, IMAGES, CAPTIONS = (
    {"source": "S", "tokens": "T"},
    {"pixels": None},
    {"pixels": None, "tokens": "T"},
)


def shape_of(length, which=None):
    """The axes of a length that is given by its name: none, if there is no such length."""
    if length is None:
        return ()
    return (None,) if which is None else (LENGTHS[length][which],)


class Around(keras.layers.Layer):
    """A user's layer: without `build`, without `compute_output_shape`."""

    def __init__(self, layer, run):
        super().__init__()
        self.layer = layer
        self.run = run

    def call(self, first, second=None):
        return self.run(self.layer, first, *([] if second is None else [second]))


def some(x):
    """A mask `(B, T)` that differs from example to example."""
    return x[..., 0] > -1


def frames(x):
    """The number of real frames of each example, `(B,)`."""
    return ops.sum(ops.cast(ops.abs(x[..., 0]) < 5, "int32"), axis=1)


def with_weights(output, weights, *states):
    """One tensor of all that a layer returns."""
    for x in (weights, *states):
        output = output + ops.cast(ops.mean(x * x), output.dtype)
    return output


def plain(layer, x, *memory):
    return layer(x, *memory)


def masked(layer, x):
    return layer(x, mask=some(x))


def scored(layer, x):
    return with_weights(*layer(x, mask=some(x), return_attention_scores=True))


def attend(layer, query, value=None):
    return layer(query, query if value is None else value)


def attend_to_all_at_once(layer, query, value=None):
    value = query if value is None else value
    masks = {"query_mask": some(query), "value_mask": some(value), "use_causal_mask": True}
    return with_weights(*layer(query, value, **masks, return_attention_scores=True))


def decode(layer, x, memory):
    masks = {"memory_mask": some(memory)}
    return with_weights(*layer(x, memory, **masks, return_attention_scores=True))


def copy(layer, tokens, memory):
    return decode(layer, tokens, memory)[..., :V]


def subsample(layer, x):
    return layer(x, frames=frames(x))


def hear(layer, x):
    return layer(x, frames(x))[0]


def translate(layer, source, tokens):
    return layer({"source": source, "tokens": tokens})


def transcribe(layer, sound, tokens):
    outputs = layer({"features": sound, "frames": frames(sound), "tokens": tokens})
    return with_weights(outputs["attention"], ops.exp(outputs["ctc"]))


def whisper(layer, sound, tokens):
    return layer({"features": sound, "tokens": tokens})


def caption(layer, pixels, tokens):
    return layer({"picture": pixels, "tokens": tokens[:, None]})[:, 0]


def likelihood(layer, x):
    tags = ops.ones_like(x[..., 0], dtype="int32")
    return layer.log_likelihood(layer(x), tags, some(x))


def viterbi(layer, x):
    return layer(x) + ops.cast(layer.decode(x, some(x)), "float32")[..., None]


ALIGNED = {
    "location_sensitive": lambda: layers.LocationSensitiveAttention(11, filters=3, kernel_size=3),
    "coverage": lambda: layers.CoverageAttention(11),
    "monotonic": lambda: layers.MonotonicAttention(11, seed=1),
}


def mechanisms():
    for each in [*MECHANISMS, *VARIANTS]:
        inputs = ONE if each.self_attention_only else TWO
        yield Case(each.name, each.make, attend, inputs)
        yield Case(f"{each.name}_masked", each.make, attend_to_all_at_once, inputs)
    for name, make in ALIGNED.items():
        yield Case(name, make, attend, TWO)
        yield Case(f"{name}_masked", make, attend_to_all_at_once, TWO)


def blocks():
    for name in layers.mechanisms():
        options = {"num_heads": N, "mlp_dim": MLP, "attention": name}
        yield Case(
            f"encoder_{name}", lambda o=options: layers.TransformerEncoderBlock(**o), scored, ONE
        )
    all_options = {"dropout": 0.1, "layer_scale": 0.1, "stochastic_depth": 0.1, "seed": 1}
    for name, make, run, inputs in (
        ("encoder", lambda: layers.TransformerEncoderBlock(N, MLP, **all_options), plain, ONE),
        ("decoder", lambda: layers.TransformerDecoderBlock(N, MLP), decode, TWO),
        ("decoder_alone", lambda: layers.TransformerDecoderBlock(N, MLP), plain, ONE),
        ("conformer", lambda: layers.ConformerBlock(N, MLP, kernel_size=3), scored, ONE),
        ("pooling", lambda: layers.AttentionPooling(MLP), scored, ONE),
        ("positions", lambda: layers.PositionEmbedding(50), plain, ONE),
        ("sinusoids", lambda: layers.PositionEmbedding(kind="sinusoidal"), plain, ONE),
        ("class_token", layers.ClassToken, plain, ONE),
        ("layer_scale", layers.LayerScale, plain, ONE),
        ("stochastic_depth", lambda: layers.StochasticDepth(0.1, seed=1), plain, ONE),
        ("subsampling", lambda: layers.ConvolutionalSubsampling(D, filters=3), subsample, ONE),
        ("crf", lambda: layers.ConditionalRandomField(D), likelihood, ONE),
        ("viterbi", lambda: layers.ConditionalRandomField(D), viterbi, ONE),
    ):
        yield Case(name, make, run, inputs)


def recurrent(attention, **options):
    cell = keras.layers.LSTMCell(7)
    return layers.AttentionRNN(cell, attention, return_state=True, **options)


def networks():
    for name, make in {"additive": lambda: layers.AdditiveAttention(11), **ALIGNED}.items():
        yield Case(f"rnn_{name}", lambda make=make: recurrent(make()), decode, TWO)
    unfed = {"input_feeding": False}
    for block in ("conformer", "transformer", "lstm"):
        options = {"block": block, "num_heads": N, "mlp_dim": MLP, "kernel_size": 3}
        yield Case(f"speech_{block}", lambda o=options: layers.SpeechEncoder(D, 1, **o), hear, ONE)
    for name in ("multi_head", "local", "block_sparse", "linear"):
        yield Case(
            f"transformer_{name}",
            lambda name=name: layers.TransformerEncoder(1, N, attention=name),
            masked,
            ONE,
        )
    for name in ("transformer", "rnn"):
        options = {"encoder_layers": 1, "decoder_layers": 2, "num_heads": N}
        yield Case(
            f"translator_{name}",
            lambda name=name, o=options: layers.encoder_decoder(V, 8, name, **o),
            translate,
            TEXTS,
        )
    for name in ("multi_head", "local", "block_sparse"):
        yield Case(f"vision_{name}", lambda name=name: vision(name), plain, IMAGES)
    for name, make, run, inputs in (
        ("patches", lambda: layers.PatchEmbedding(4, D, class_token=True), plain, IMAGES),
        ("image_encoder", image_encoder, plain, IMAGES),
        (
            "captioner",
            lambda: layers.ImageCaptioner(image_encoder(), recurrent_decoder()),
            caption,
            CAPTIONS,
        ),
        ("rnn_unfed", lambda: recurrent(layers.LuongAttention("concat"), **unfed), decode, TWO),
        ("recurrent_encoder", lambda: layers.RecurrentEncoder(D), masked, ONE),
        ("recurrent_decoder", recurrent_decoder, decode, WORDS),
        ("transformer_decoder", transformer_decoder, decode, WORDS),
        ("pointer_recurrent", lambda: layers.PointerGenerator(recurrent_decoder()), copy, WORDS),
        (
            "pointer_transformer",
            lambda: layers.PointerGenerator(transformer_decoder(), copy_dim=8),
            copy,
            WORDS,
        ),
        (
            "speech_to_text",
            lambda: layers.SpeechToText(
                layers.SpeechEncoder(8, 1, num_heads=N), transformer_decoder(), V
            ),
            transcribe,
            SOUND,
        ),
        (
            "whisper",
            lambda: layers.Whisper(V, 8, 1, N, MLP, num_mels=D, max_frames=40, max_length=20),
            whisper,
            SOUND,
        ),
    ):
        yield Case(name, make, run, inputs)


def vision(name):
    tokenizer = layers.patch_tokenizer((12, 12, 3), 4, D)
    return layers.VisionTransformer(tokenizer, 5, 1, N, MLP, attention=name)


def image_encoder():
    return layers.ImageEncoder(
        8, layers.patch_tokenizer((12, 12, 3), 4, D), num_layers=1, num_heads=N
    )


def recurrent_decoder():
    return layers.RecurrentDecoder(V, 8, dropout=0.1, word_dropout=0.1, seed=1)


def transformer_decoder():
    return layers.TransformerDecoder(V, 8, num_layers=1, num_heads=N, dropout=0.1, seed=1)


KINDS = {"mechanisms": mechanisms, "blocks": blocks, "networks": networks}
CASES = {case.name: case for kind in KINDS.values() for case in kind()}
