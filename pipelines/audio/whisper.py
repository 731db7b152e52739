"""Whisper (Radford et al., 2023), pretrained, out of a KerasHub preset.

Its vocabulary is put in the order that `pipelines.text.tokenizer` has: padding, start, end, then
text. The tokens of which no text is made, such as those of time, are left out, but for its prompt.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from pipelines.audio import audio_files
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_json
from pipelines.commands.errors import UserError, first_line, reading, unknown
from pipelines.data import buckets
from pipelines.data.hub import PRESET_SCHEMES
from pipelines.text.tokenizer import END, PAD, SPECIAL, START, Tokenizer, pad

FILE = "audio_converter.json"
LARGEST = {
    "num_mels": 256,
    "num_fft_bins": 8192,
    "stride": 8192,
    "sampling_rate": 192_000,
    "max_audio_length": 600,
}
BLANK = "Ġ"  # A space by itself, as byte-level BPE writes it.


@dataclass(frozen=True)
class Pretrained:
    """A Whisper and what stands before and behind it.

    Attributes:
        model: Decodes, and is trained, with the ids of `tokenizer`.
        tokenizer: A `pipelines.text.tokenizer.Tokenizer`, saved with a run as any other.
        extractor: KerasHub's layer from waveforms `(samples,)` or `(B, samples)` at 16 kHz to
            log-mel spectrograms `(F, M)` or `(B, F, M)`. All have the length that the model was
            trained with, 30 seconds: shorter audio is filled up with silence, longer audio cut.
    """

    model: keras.Model
    tokenizer: Tokenizer
    extractor: keras.layers.Layer


def load(preset: str, model_class: type[keras.Model], language: str = "en") -> Pretrained:
    """Reads a KerasHub preset of Whisper.

    Args:
        preset: The folder of a preset, or a name that KerasHub knows, such as `whisper_tiny_en` or
            `kaggle://...`, which is downloaded once.
        model_class: `layers.Whisper`.
        language: What is spoken, as a code of two letters; a preset with `_en` knows English alone.

    Returns:
        The model, its tokenizer and its features.

    Raises:
        UserError: There is no such preset, it is not of Whisper, it cannot be read, or it does not
            know the language.
    """
    import keras_hub

    name = _preset_name(preset, keras_hub.models.WhisperBackbone.presets)
    try:
        backbone = keras_hub.models.WhisperBackbone.from_preset(name, dtype="float32")
        words = keras_hub.models.WhisperTokenizer.from_preset(name)
        extractor = keras_hub.layers.WhisperAudioConverter.from_preset(name, dtype="float32")
        tokenizer, blank = _tokenizer(words), len(SPECIAL) + words.vocabulary[BLANK]
    except Exception as error:  # KerasHub, h5py and the hubs raise what they like.
        raise UserError(f"cannot open the Whisper preset {preset}: {first_line(error)}") from error
    prompt = _prompt(words, language, preset)
    rows = [words.bos_token_id, words.eos_token_id, *range(words.eos_token_id), *prompt[1:]]
    vocabulary_size = len(SPECIAL) + words.eos_token_id
    model = model_class(
        vocabulary_size=vocabulary_size,
        dim=backbone.hidden_dim,
        num_layers=backbone.num_layers,
        num_heads=backbone.num_heads,
        mlp_dim=backbone.intermediate_dim,
        num_mels=backbone.num_mels,
        max_frames=backbone.max_encoder_sequence_length,
        max_length=backbone.max_decoder_sequence_length,
        prompt=[START, *range(vocabulary_size, len(SPECIAL) + len(rows) - 2)],
        forbidden=[PAD, START],
        forbidden_first=[END, blank],
        dropout=backbone.dropout,
    )
    model.build()
    copy_weights(backbone, model, rows)
    return Pretrained(model, tokenizer, extractor)


def save_extractor(extractor: keras.layers.Layer, folder: str | Path) -> None:
    """Saves the features with a run."""
    config = {name: value for name, value in extractor.get_config().items() if name != "dtype"}
    write_json(Path(folder) / FILE, config)


def load_extractor(folder: str | Path) -> keras.layers.Layer:
    """Loads what `save_extractor` wrote.

    Raises:
        UserError: It cannot be read.
    """
    import keras_hub

    path = Path(folder) / FILE
    config = read_json(path, "audio features")
    with reading(path, "audio features"):
        for name, largest in LARGEST.items():
            if type(config[name]) is not int or not 1 <= config[name] <= largest:
                raise ValueError(f"{name} is {config[name]!r}, not from 1 to {largest}")
        return keras_hub.layers.WhisperAudioConverter(**config, dtype="float32")


def training_batches(
    files: Sequence[str | Path],
    tokens: Sequence[Sequence[int]],
    extractor: keras.layers.Layer,
    batch_size: int,
    seed: int,
):
    """Draws batches of audio with its transcripts.

    Args:
        files: Audio that can be read.
        tokens: Of each its ids from start to end.
        extractor: Of a `Pretrained`.
        batch_size: B, at most; all features are as long as the model hears at once.
        seed: Of the order.

    Returns:
        `Batches` of `({"features": (B, F, M), "tokens": (B, T)}, (B, T))`: the ids without the end,
        and those one step later, padded with 0.
    """
    names = [str(file) for file in files]
    shape = (extractor.num_samples // extractor.stride, extractor.num_mels)

    def read(place):
        return audio_files.read(names[place])

    def features(place):
        samples = tf.numpy_function(read, [place], tf.float32, stateful=False)
        return tf.ensure_shape(extractor(tf.ensure_shape(samples, [None])), shape)

    padded = pad(tokens, max(map(len, tokens)))

    def batch(bucket, counters, rows):
        heard = tf.map_fn(features, rows, fn_output_signature=tf.float32)
        ids = tf.gather(padded, rows)
        return {"features": heard, "tokens": tf.where(ids == END, PAD, ids)[:, :-1]}, ids[:, 1:]

    return buckets.Batches(
        counts=[len(names)],
        sizes=[min(batch_size, len(names))],
        seed=seed,
        read=batch,
        parallel=os.cpu_count(),
    )


def copy_weights(backbone: keras.Model, model: keras.Model, rows: list[int]) -> None:
    """Copies the weights of KerasHub's `WhisperBackbone` to a `layers.Whisper`.

    Args:
        backbone: With the weights.
        model: Of the same sizes, built.
        rows: Which of the backbone's ids each of the model's ids is, from 1 on; 0 is padding.
    """
    table = backbone.token_embedding.get_weights()[0]
    # A logit of padding must be neither likely nor anything that training learns from another.
    table = np.concatenate([np.zeros_like(table[:1]), table[rows]])
    model.embedding.set_weights([table])
    decoder_embeddings = backbone.decoder_embeddings.position_embedding
    pairs = [
        (backbone.encoder_conv_layer_1, model.convolutions[0]),
        (backbone.encoder_conv_layer_2, model.convolutions[1]),
        (backbone.encoder_position_embedding, model.encoder_positions),
        (backbone.encoder_layer_norm, model.encoder_norm),
        (decoder_embeddings, model.decoder_positions),
        (backbone.decoder_layer_norm, model.decoder_norm),
    ]
    for theirs, ours in zip(backbone.encoder_transformer_layers, model.encoder_blocks, strict=True):
        pairs += _block_pairs(theirs, ours)
    for theirs, ours in zip(backbone.decoder_transformer_layers, model.decoder_blocks, strict=True):
        pairs += _block_pairs(theirs, ours)
        pairs += [
            (theirs._cross_attention_layer_norm, ours.cross_attention_norm),
            (theirs._cross_attention_layer, ours.cross_attention),
        ]
    for theirs, ours in pairs:
        weights = theirs.get_weights()
        if len(weights) == 7:  # Attention: its keys have no bias, which would change nothing.
            weights.insert(3, np.zeros_like(weights[1]))
        ours.set_weights(weights)


def _block_pairs(theirs, ours):
    return [
        (theirs._self_attention_layer_norm, ours.self_attention_norm),
        (theirs._self_attention_layer, ours.self_attention),
        (theirs._feedforward_layer_norm, ours.mlp_norm),
        (theirs._feedforward_intermediate_dense, ours.mlp_hidden),
        (theirs._feedforward_output_dense, ours.mlp_output),
    ]


def _preset_name(preset, known):
    if preset.startswith(PRESET_SCHEMES) or preset in known:
        return preset
    folder = Path(preset).expanduser()
    if (folder / "config.json").is_file():
        return str(folder)
    if folder.is_dir():
        raise UserError(f"{preset} is no KerasHub preset: it has no config.json")
    if len(folder.parts) > 1 or preset.startswith(("~", ".")):
        raise UserError(f"there is no folder {preset} to open a Whisper preset from")
    raise unknown("Whisper preset", preset, [*known, "the folder of a KerasHub preset"])


def _prompt(words, language, preset):
    """The preset's ids that come before a text without times."""
    if words.language_tokens is None:
        if language != "en":
            raise UserError(f"the Whisper preset {preset} knows English alone, not '{language}'")
        return [words.bos_token_id, words.no_timestamps_token_id]
    if f"<|{language}|>" not in words.language_tokens:
        raise unknown("language", language, [token.strip("<|>") for token in words.language_tokens])
    spoken = words.language_tokens[f"<|{language}|>"]
    transcribe = words.transcribe_token_id
    return [words.bos_token_id, spoken, transcribe, words.no_timestamps_token_id]


def _tokenizer(words):
    """The preset's byte-level BPE, with the ids of this suite."""
    text = {token: id for token, id in words.vocabulary.items() if id < words.eos_token_id}
    vocabulary = {token: len(SPECIAL) + id for token, id in text.items()}
    vocabulary |= {token: id for id, token in enumerate(SPECIAL)}
    merges = [tuple(merge.split(" ")) for merge in words.merges]
    model = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    model.add_special_tokens(list(SPECIAL))
    model.normalizer = normalizers.Prepend(" ")
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    return Tokenizer(model)
