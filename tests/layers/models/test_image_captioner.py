"""The image captioner: every mechanism, what decides, concepts, precision and old files."""

import keras
import numpy as np
import pytest

import layers
from layers.models.concept_detector import strongest
from layers.registry import MECHANISMS
from tests.layers.backend import to_numpy
from tests.layers.old_files import rename_modules
from tests.layers.transformer_blocks import CROSS_ATTENTION

FITTING = [("rnn", name) for name, known in MECHANISMS.items() if known.single_head]
FITTING += [("transformer", name) for name in CROSS_ATTENTION]
VOCABULARY, D = 40, 16
TOKENS = np.array([[[1, 7, 8, 9], [1, 5, 2, 0]], [[1, 9, 8, 2], [0, 0, 0, 0]]], "int32")
TARGETS = np.array([[[7, 8, 9, 2], [5, 2, 0, 0]], [[9, 8, 2, 0], [0, 0, 0, 0]]], "int32")
FEATURES, PIXELS = (9, 5), (24, 24, 3)


def build(shape=FEATURES, decoder="rnn", attention=None, encoder_layers=0, concept_weight=0.0):
    keras.utils.set_random_seed(0)
    network = layers.convolutional_stem(shape) if len(shape) == 3 else None
    encoder = layers.ImageEncoder(D, network=network, num_layers=encoder_layers, num_heads=2)
    if decoder == "rnn":
        decoder = layers.RecurrentDecoder(VOCABULARY, D, attention=attention or "additive")
    else:
        options = {"num_layers": 1, "num_heads": 2, "max_length": 12}
        options["cross_attention"] = attention or "multi_head"
        decoder = layers.TransformerDecoder(VOCABULARY, D, **options)
    captioner = layers.ImageCaptioner(encoder, decoder, concept_weight)
    captioner.build({"picture": (None, *shape), "tokens": (None, None, None)})
    return captioner


def compiled(model, loss=None, learning_rate=0.1):
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.AdamW(learning_rate), loss, run_eagerly=True)
    return model


def random_features():
    return np.random.default_rng(0).normal(size=(2, *FEATURES)).astype("float32")


def random_pixels():
    return np.random.default_rng(0).integers(0, 256, (2, *PIXELS)).astype("float32")


@pytest.mark.parametrize(("decoder", "mechanism"), FITTING)
def test_every_mechanism_is_used_and_trained(decoder, mechanism):
    captioner = build(decoder=decoder, attention=mechanism, encoder_layers=1)
    attention = (
        captioner.decoder.rnn.attention
        if decoder == "rnn"
        else captioner.decoder.blocks[0].cross_attention
    )
    assert type(attention) is type(layers.get(mechanism, dim=16, num_heads=2))
    compiled(captioner)
    inputs = {"picture": random_features(), "tokens": TOKENS}
    before = [to_numpy(weight) for weight in captioner.trainable_weights]
    loss = captioner.train_on_batch(inputs, TARGETS)
    assert 0.5 * np.log(VOCABULARY) < loss < 2 * np.log(VOCABULARY)
    for weight, old in zip(captioner.trainable_weights, before, strict=True):
        assert (to_numpy(weight) != old).any(), weight.path


@pytest.mark.parametrize("decoder", ["rnn", "transformer"])
def test_the_picture_and_the_words_before_decide(decoder):
    captioner = build(decoder=decoder)
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
def test_captions_share_a_picture_as_if_it_were_given_twice(decoder):
    captioner = build(decoder=decoder)
    features = random_features()
    together = to_numpy(captioner({"picture": features, "tokens": TOKENS}))
    alone = [
        to_numpy(captioner({"picture": features, "tokens": TOKENS[:, i : i + 1]})) for i in range(2)
    ]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), atol=1e-5)


@pytest.mark.parametrize("decoder", ["rnn", "transformer"])
def test_half_precision_keeps_weights_and_loss_in_float32(decoder):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        captioner = build(PIXELS, decoder=decoder, encoder_layers=1)
        compiled(captioner)
        pixels = np.zeros((2, *PIXELS), "float32")
        inputs = {"picture": pixels, "tokens": TOKENS}
        assert keras.backend.standardize_dtype(captioner(inputs).dtype) == "bfloat16"
        assert np.isfinite(captioner.train_on_batch(inputs, TARGETS))
    finally:
        keras.config.set_dtype_policy("float32")
    assert {weight.dtype for weight in captioner.trainable_weights} == {"float32"}


def test_the_concept_loss_is_added_with_its_weight():
    inputs = {"picture": random_features(), "tokens": TOKENS}
    for weight in (1.5, 3.0):
        captioner = build(concept_weight=weight)
        captioner(inputs, training=True)
        (loss,) = captioner.losses
        scores = strongest(captioner.concepts(inputs["picture"]))
        expected = weight * to_numpy(layers.concept_loss(TOKENS, scores))
        np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-4)
    captioner(inputs)
    assert not captioner.losses


def test_the_network_alone_is_trained_as_a_concept_detector():
    captioner = build(PIXELS, concept_weight=1.0)
    detector = captioner.concept_detector()
    learning = {id(weight) for weight in detector.trainable_weights}
    parts = (captioner.encoder.network, captioner.concepts)
    assert learning == {id(weight) for part in parts for weight in part.trainable_weights}
    pictures = random_pixels()
    cells = captioner.encoder(pictures, return_cells=True)[1]
    scores = to_numpy(detector({"picture": pictures}))
    np.testing.assert_allclose(
        scores, to_numpy(strongest(captioner.concepts(cells))), rtol=1e-4, atol=1e-5
    )
    before = [to_numpy(weight) for weight in captioner.trainable_weights]
    compiled(detector, layers.concept_loss, learning_rate=0.01)
    history = detector.fit({"picture": pictures}, TARGETS, epochs=40, verbose=0).history
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    for weight, old in zip(captioner.trainable_weights, before, strict=True):
        assert (to_numpy(weight) != old).any() == (id(weight) in learning), weight.path


def test_frozen_statistics_stay_while_the_weights_learn():
    captioner = build(PIXELS)
    network = captioner.encoder.network
    inputs = {"picture": random_pixels(), "tokens": TOKENS}

    def changed(weights):
        before = [to_numpy(weight) for weight in weights]
        compiled(captioner).train_on_batch(inputs, TARGETS)
        pairs = zip(weights, before, strict=True)
        return [bool((to_numpy(weight) != old).any()) for weight, old in pairs]

    assert all(changed(network.non_trainable_weights))
    captioner.encoder.freeze_statistics()
    assert not any(changed(network.non_trainable_weights))
    assert all(changed(network.trainable_weights))
    same = layers.ImageEncoder.from_config(captioner.encoder.get_config())
    assert same.pretrained
    np.testing.assert_array_equal(
        to_numpy(captioner.encoder(inputs["picture"], training=True)),
        to_numpy(captioner.encoder(inputs["picture"], training=False)),
    )


@pytest.mark.parametrize(
    ("shape", "decoder"), [(FEATURES, "rnn"), (PIXELS, "rnn"), (PIXELS, "transformer")]
)
def test_files_of_the_time_when_it_was_of_an_application_load(shape, decoder, tmp_path):
    captioner = build(shape, decoder, encoder_layers=1, concept_weight=1.0)
    path = tmp_path / "model.keras"
    captioner.save(path)
    config = rename_modules(path, r"layers\.models\.image_\w+", "apps.captioning.model")
    for name in ("Captioner", "PictureEncoder"):
        assert f'"registered_name": "attention_suite.captioning>{name}"' in config
    loaded = keras.saving.load_model(path)
    picture = random_features() if shape == FEATURES else random_pixels()
    inputs = {"picture": picture, "tokens": TOKENS}
    np.testing.assert_allclose(to_numpy(loaded(inputs)), to_numpy(captioner(inputs)), atol=1e-6)
    if shape == PIXELS:
        assert loaded.encoder.grid == (2, 2)
