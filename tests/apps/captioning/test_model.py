import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

import layers
from apps.captioning import data, model
from apps.captioning.config import Config
from apps.captioning.inference import Captioner
from pipelines.builtin import scenes
from pipelines.commands.mechanisms import MECHANISMS
from pipelines.decoding.generation import Generators
from pipelines.training import optimizer, token_loss
from tests.apps.captioning import tiny

SINGLE_HEAD = ("additive", "luong_dot", "luong_general", "luong_concat")
FITTING = [("rnn", name) for name in SINGLE_HEAD]
FITTING += [("transformer", x) for x in MECHANISMS if x not in ("local", "block_sparse")]

VOCABULARY = 40
TOKENS = np.array([[[1, 7, 8, 9], [1, 5, 2, 0]], [[1, 9, 8, 2], [0, 0, 0, 0]]], "int32")
TARGETS = np.array([[[7, 8, 9, 2], [5, 2, 0, 0]], [[9, 8, 2, 0], [0, 0, 0, 0]]], "int32")
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


class TestCaptioner:
    @pytest.mark.parametrize(("decoder", "mechanism"), FITTING)
    def test_every_mechanism_is_used_and_trained(self, decoder, mechanism):
        _, captioner = build(decoder=decoder, attention=mechanism, encoder_layers=1)
        attention = (
            captioner.decoder.rnn.attention
            if decoder == "rnn"
            else captioner.decoder.blocks[0].cross_attention
        )
        assert type(attention) is type(layers.get(mechanism, dim=16, num_heads=2))
        compile_with(captioner, learning_rate=0.1, run_eagerly=True, jit_compile=False)
        inputs = {"picture": random_features(), "tokens": TOKENS}
        before = [to_numpy(weight) for weight in captioner.trainable_weights]
        loss = captioner.train_on_batch(inputs, TARGETS)
        assert 0.5 * np.log(VOCABULARY) < loss < 2 * np.log(VOCABULARY)
        for weight, old in zip(captioner.trainable_weights, before, strict=True):
            assert (to_numpy(weight) != old).any(), weight.path

    @pytest.mark.parametrize("decoder", ["rnn", "transformer"])
    def test_the_picture_and_the_words_before_decide(self, decoder):
        _, captioner = build(decoder=decoder)
        features, tokens = random_features(), TOKENS.copy()
        first = to_numpy(captioner({"picture": features, "tokens": tokens}))
        assert first.shape == (2, 2, 4, VOCABULARY)
        tokens[0, 0, 2] = 30
        second = to_numpy(captioner({"picture": features, "tokens": tokens}))
        changed = (first != second).any(axis=-1)
        assert changed.tolist() == [[[False, False, True, True], [False] * 4], [[False] * 4] * 2]
        features[1] += 1.0
        third = to_numpy(captioner({"picture": features, "tokens": tokens}))
        changed = (second != third).any(axis=-1)
        assert not changed[0].any() and changed[1].all()

    @pytest.mark.parametrize("decoder", ["rnn", "transformer"])
    def test_captions_share_a_picture_as_if_it_were_given_twice(self, decoder):
        _, captioner = build(decoder=decoder)
        features = random_features()
        together = to_numpy(captioner({"picture": features, "tokens": TOKENS}))
        alone = [
            to_numpy(captioner({"picture": features, "tokens": TOKENS[:, i : i + 1]}))
            for i in range(2)
        ]
        np.testing.assert_allclose(together, np.concatenate(alone, axis=1), atol=1e-5)

    @pytest.mark.parametrize("decoder", ["rnn", "transformer"])
    def test_decoding_scores_as_training_does(self, decoder):
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
    def test_half_precision_keeps_weights_and_loss_in_float32(self, decoder):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            _, captioner = build((tiny.SIZE, tiny.SIZE, 3), decoder=decoder, encoder_layers=1)
            compile_with(captioner, run_eagerly=True, jit_compile=False)
            pixels = np.zeros((2, tiny.SIZE, tiny.SIZE, 3), "float32")
            inputs = {"picture": pixels, "tokens": TOKENS}
            assert keras.backend.standardize_dtype(captioner(inputs).dtype) == "bfloat16"
            assert np.isfinite(captioner.train_on_batch(inputs, TARGETS))
        finally:
            keras.config.set_dtype_policy("float32")
        assert {weight.dtype for weight in captioner.trainable_weights} == {"float32"}


@pytest.mark.parametrize("decoder", ["rnn", "transformer"])
def test_backends_train_decode_save_and_load(decoder, scenes_folder, tmp_path):
    settings = {**tiny.SETTINGS, "dataset": str(scenes_folder), "max_train": 16, "flip": True}
    config = Config(**{**settings, "decoder": decoder, "encoder_layers": 1})
    rows = data.read(config)
    split = data.open_split(rows["train"], config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    groups = data.group_captions(split, tokenizer, config)
    batches = data.training_batches(split, groups, config).dataset
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


@pytest.mark.parametrize(
    ("decoder", "dim", "steps"),
    [pytest.param("rnn", 128, 300, marks=pytest.mark.slow), ("transformer", 64, 150)],
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
    batches = data.training_batches(split, groups, config).dataset
    keras.utils.set_random_seed(0)
    captioner = model.build(config, split.arrays[0].shape[1:], tokenizer.vocabulary_size)
    compile_with(captioner, steps=steps, learning_rate=5e-3)
    captioner.fit(batches, steps_per_epoch=steps, verbose=0)
    results = Captioner(captioner, tokenizer, config).predict(split.rows, decode="greedy")
    said = [result.text for result in results]
    assert sum(map(str.__eq__, said, captions)) >= 9, json.dumps([said, captions], indent=1)
    assert len(set(said)) >= 9


def test_the_concept_loss_asks_one_cell_for_each_token_of_the_captions():
    scores = np.random.default_rng(0).normal(size=(2, 5, 11))
    tokens = np.array([[[1, 4, 7, 0]], [[1, 9, 9, 0]]])
    strongest = np.log(np.exp(2 * scores).sum(axis=1)) / 2
    present = np.zeros_like(strongest)
    present[0, [0, 1, 4, 7]] = present[1, [0, 1, 9]] = 1
    expected = (np.log1p(np.exp(strongest)) - present * strongest).sum() / present.sum()
    loss = model.concept_loss(tokens, model.strongest(ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-4)


def test_the_concept_loss_is_added_with_its_weight():
    inputs = {"picture": random_features(), "tokens": TOKENS}
    for weight in (1.5, 3.0):
        _, captioner = build(concept_weight=weight)
        captioner(inputs, training=True)
        (loss,) = captioner.losses
        scores = model.strongest(captioner.concepts(inputs["picture"]))
        expected = weight * to_numpy(model.concept_loss(TOKENS, scores))
        np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-4)
    captioner(inputs)
    assert not captioner.losses


def test_backends_train_the_network_alone_as_a_concept_detector():
    _, captioner = build(features=(24, 24, 3), concept_weight=1.0)
    detector = captioner.concept_detector()
    learning = {id(weight) for weight in detector.trainable_weights}
    parts = (captioner.encoder.network, captioner.concepts)
    assert learning == {id(weight) for part in parts for weight in part.trainable_weights}
    pictures = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3)).astype("float32")
    cells = captioner.encoder(pictures, return_cells=True)[1]
    scores = to_numpy(detector({"picture": pictures}))
    np.testing.assert_allclose(
        scores, to_numpy(model.strongest(captioner.concepts(cells))), rtol=1e-4, atol=1e-5
    )
    before = [to_numpy(weight) for weight in captioner.trainable_weights]
    detector.compile(
        optimizer.make_optimizer(0.01, 40, 4),
        loss=model.concept_loss,
        jit_compile=keras.backend.backend() == "jax",
    )
    history = detector.fit({"picture": pictures}, TARGETS, epochs=40, verbose=0).history
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    for weight, old in zip(captioner.trainable_weights, before, strict=True):
        assert (to_numpy(weight) != old).any() == (id(weight) in learning), weight.path


@pytest.mark.parametrize("dim", [11, 32])
def test_positions_of_a_grid(dim):
    """All cells differ, neighbours least, and every dimension tells some apart."""
    table = to_numpy(model.grid_positions(49, dim)).reshape(7, 7, dim)
    np.testing.assert_allclose(table.reshape(49, dim).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(table.reshape(49, dim).std(axis=0), 1, atol=1e-4)
    distances = np.linalg.norm(table - table[0, 0], axis=-1)
    assert distances[0, 1] == pytest.approx(distances[1, 0], rel=0.1)
    assert (distances.ravel()[2:] > 1.1 * distances[0, 1]).sum() == 46
    assert (to_numpy(model.grid_positions(1, dim)) == 0).all()


def test_the_memory_holds_the_cells_and_where_they_are():
    _, captioner = build()
    encoder, features = captioner.encoder, random_features()
    memory = to_numpy(encoder(features))
    positions = to_numpy(encoder.positions)
    content = to_numpy(encoder.norm(encoder.projection(features)))
    np.testing.assert_allclose(memory[..., : content.shape[-1]], content, atol=1e-5)
    np.testing.assert_allclose(memory[..., content.shape[-1] :], [positions] * 2, atol=1e-6)
