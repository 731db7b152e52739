"""The captioner that a configuration describes: its parts, decoding, and learning by heart."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from apps.captioning import data, model
from apps.captioning.config import Config
from apps.captioning.inference import Captioner
from pipelines.builtin import scenes
from pipelines.decoding.generator_cache import Generators
from pipelines.training import optimizer, token_loss
from tests.apps.captioning import tiny

VOCABULARY = 40
FEATURES = (9, 5)


def build(features=FEATURES, vocabulary_size=VOCABULARY, **settings):
    keras.utils.set_random_seed(0)
    config = Config(**{**tiny.MODEL, "dropout": 0.0, **settings})
    return config, model.build(config, features, vocabulary_size)


def random_features():
    return np.random.default_rng(0).normal(size=(2, *FEATURES)).astype("float32")


def compile_with(captioner, steps=1, learning_rate=0.01, **options):
    # So small a model is trained before XLA has compiled it.
    captioner.compile(
        optimizer=optimizer.make_optimizer(learning_rate, steps, warmup_steps=steps // 10),
        loss=token_loss.TokenCrossentropy(),
        **{"jit_compile": keras.backend.backend() == "jax", **options},
    )
    # Else TensorFlow traces the first step twice.
    captioner.optimizer.build(captioner.trainable_variables)


def make_generator(captioner, config):
    return Generators(captioner, min_length=1).get(config, config.max_tokens)


def to_numpy(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def test_it_is_built_as_configured():
    settings = {
        "decoder": "transformer",
        "attention": "linear",
        "encoder_layers": 1,
        "dropout": 0.2,
    }
    _, captioner = build(**settings, word_dropout=0.1, concept_weight=0.5)
    found, encoder = captioner.decoder.get_config(), captioner.encoder
    assert (found["cross_attention"], found["num_layers"]) == ("linear", 1)
    assert (found["num_heads"], found["max_length"]) == (2, tiny.MODEL["max_tokens"])
    assert (found["dropout"], found["word_dropout"]) == (0.2, 0.1)
    assert (captioner.concept_weight, found["vocabulary_size"]) == (0.5, VOCABULARY)
    assert (len(encoder.blocks), encoder.num_heads, encoder.dropout) == (1, 2, 0.2)
    assert (encoder.network, encoder.pretrained) == (None, False)
    _, captioner = build((tiny.SIZE, tiny.SIZE, 3), decoder="rnn", attention="luong_dot")
    assert captioner.decoder.attention == "luong_dot"
    assert captioner.encoder.network.name == "convolutional_stem"
    assert not captioner.encoder.pretrained


def test_a_backbone_to_fine_tune_keeps_its_statistics(network):
    settings = {"backbone": str(network), "fine_tune": True}
    _, captioner = build((tiny.SIZE, tiny.SIZE, 3), **settings)
    encoder = captioner.encoder
    assert encoder.network.name == "tiny_net" and encoder.pretrained
    assert encoder.network.trainable_weights and encoder.grid == tiny.GRID


@pytest.mark.parametrize("decoder", ["rnn", "transformer"])
def test_decoding_scores_as_training_does(decoder):
    config, captioner = build(decoder=decoder, length_penalty=1.0)
    features = random_features()
    decoded = make_generator(captioner, config).predict_on_batch(features)
    tokens = np.asarray(decoded["tokens"])
    given = np.concatenate([np.ones((2, 1), "int32"), tokens[:, :-1]], axis=1)
    logits = to_numpy(captioner({"picture": features, "tokens": given[:, None]}))[:, 0]
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    real = tokens != 0
    chosen = np.take_along_axis(log_probs, tokens[..., None], axis=-1)[..., 0]
    expected = (chosen * real).sum(axis=1) / real.sum(axis=1)
    np.testing.assert_allclose(to_numpy(decoded["score"]), expected, atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(axis=-1)[real], tokens[real])
    weights = to_numpy(decoded["weights"])
    np.testing.assert_allclose(weights.sum(axis=-1), real, atol=1e-5)


@pytest.mark.parametrize("decoder", ["rnn", "transformer"])
def test_backends_train_decode_save_and_load(decoder, scenes_folder, tmp_path):
    settings = {**tiny.SETTINGS, "dataset": str(scenes_folder), "max_train": 16, "flip": True}
    config = Config(**{**settings, "decoder": decoder, "encoder_layers": 1})
    rows = data.read(config)
    split = data.open_split(rows["train"], config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    groups = data.group_captions(split, tokenizer, config)
    batches = data.training_batches(split, groups, config).open()
    shape = split.arrays[0].shape[1:]
    _, captioner = build(shape, tokenizer.vocabulary_size, decoder=decoder, encoder_layers=1)
    compile_with(captioner, steps=4)
    history = captioner.fit(batches, steps_per_epoch=2, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0] < 2 * np.log(tokenizer.vocabulary_size)

    captioner.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.encoder.grid == tiny.GRID
    inputs, _ = next(iter(batches))
    inputs = {name: value.numpy() for name, value in inputs.items()}
    np.testing.assert_allclose(
        to_numpy(captioner(inputs)), to_numpy(loaded(inputs)), rtol=1e-5, atol=1e-5
    )
    test = data.open_split(rows["test"], config)
    generator = make_generator(loaded, replace(config, decode="beam"))
    decoded = generator.predict(data.picture_batches(test, 3), verbose=0)
    assert decoded["tokens"].shape == (8, config.max_tokens)
    assert (decoded["tokens"][:, 0] > 0).all()
    real = decoded["tokens"] != 0
    np.testing.assert_allclose(decoded["weights"].sum(axis=-1), real, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("decoder", "dim", "steps"),
    [("rnn", 128, 300), ("transformer", 64, 150)],
)
def test_ten_captions_are_learnt_by_heart(decoder, dim, steps, network, tmp_path):
    scenes.write(tmp_path, train=60, validation=1, test=1)
    config = Config(
        dataset=str(tmp_path),
        backbone=str(network),
        image_size=tiny.SIZE,
        decoder=decoder,
        dim=dim,
        decoder_layers=1,
        dropout=0.0,
        batch_size=10,
        captions_per_picture=1,
    )
    rows = data.read(config)["train"]
    tokenizer = data.train_tokenizer(rows, config)
    # Captions of one length, so that every batch is all ten.
    alike = [
        {**row, "captions": [caption]}
        for row in rows
        for caption, ids in zip(row["captions"], tokenizer.encode(row["captions"]), strict=True)
        if len(ids) == 14
    ]
    split = data.open_split(list({row["file_name"]: row for row in alike}.values())[:10], config)
    captions = [references[0] for references in split.references]
    assert len(set(captions)) == 10
    groups = data.group_captions(split, tokenizer, config)
    batches = data.training_batches(split, groups, config).open()
    keras.utils.set_random_seed(0)
    captioner = model.build(config, split.arrays[0].shape[1:], tokenizer.vocabulary_size)
    compile_with(captioner, steps=steps, learning_rate=5e-3)
    captioner.fit(batches, steps_per_epoch=steps, verbose=0)
    results = Captioner(captioner, tokenizer, config).predict(split.rows, decode="greedy")
    said = [result.text for result in results]
    assert sum(map(str.__eq__, said, captions)) >= 9, json.dumps([said, captions], indent=1)
    assert len(set(said)) >= 9
