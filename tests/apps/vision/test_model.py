"""The classifier: its parts as numbers, every mechanism, other sizes, and learning by heart."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from apps.vision import model
from apps.vision.config import Config
from pipelines.commands.mechanisms import MECHANISMS, SINGLE_HEAD
from pipelines.images import backbones
from pipelines.training import optimizer

B, CLASSES = 3, 5
SMALL = {"model": "vit", "image_size": 12, "patch_size": 4, "dim": 16, "depth": 2, "num_heads": 2}


def to_numpy(x):
    return keras.tree.map_structure(ops.convert_to_numpy, x)


def build(channels=3, trained=None, **settings):
    config = Config(**{**SMALL, **settings})
    return config, model.build(config, channels, CLASSES, trained)


def pictures(channels=3, size=12, batch=B, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (batch, size, size, channels)).astype("float32")


def randomise(classifier, seed=1):
    random = np.random.default_rng(seed)
    for weight in classifier.trainable_weights:
        weight.assign(weight + 0.1 * random.normal(size=weight.shape))
    return classifier


def compiled(classifier, steps=100, learning_rate=3e-3, **options):
    classifier.compile(
        optimizer.make_optimizer(learning_rate, steps, warmup_steps=0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() == "jax",
        **options,
    )
    classifier.optimizer.build(classifier.trainable_variables)
    return classifier


FORMS = {
    "token": {},
    "mean": {"pool": "mean", "positions": "sinusoidal"},
    "attention": {"pool": "attention", "layer_scale": 0.1},
    "compact": {"model": "compact", "convolutions": 2, "layer_scale": 0.1},
}


class TestForms:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("form", FORMS)
    def test_logits_and_the_weights_behind_them(self, form, channels):
        _, classifier = build(channels, **FORMS[form])
        randomise(classifier)
        pixels = pictures(channels)
        logits, weights = to_numpy(classifier(pixels, return_attention_scores=True))
        tokens = 9 + (form == "token")
        assert classifier.grid == (3, 3)
        assert logits.shape == (B, CLASSES) and logits.dtype == "float32"
        assert [block.shape for block in weights["blocks"]] == [(B, 2, tokens, tokens)] * 2
        assert weights["pooling"].shape == (B, tokens) and classifier.length == tokens
        for rows in (*weights["blocks"], weights["pooling"]):
            np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(to_numpy(classifier(pixels)), logits, atol=1e-5)
        assert (np.abs(logits - logits[::-1]).max(-1)[[0, 2]] > 1e-4).all()

    @pytest.mark.parametrize("form", FORMS)
    def test_the_head_sees_the_tokens_that_pooling_tells(self, form):
        _, classifier = build(**FORMS[form])
        randomise(classifier)
        x = np.random.default_rng(2).normal(size=(B, 9 + (form == "token"), 16)).astype("float32")
        vector, parts = to_numpy(classifier._gather(ops.convert_to_tensor(x)))
        np.testing.assert_allclose(vector, np.einsum("bt,btd->bd", parts, x), atol=1e-5)
        if form == "token":
            np.testing.assert_array_equal(vector, x[:, 0])
        if form == "mean":
            np.testing.assert_allclose(vector, x.mean(axis=1), atol=1e-6)

    @pytest.mark.parametrize("form", FORMS)
    def test_gradients_reach_every_weight(self, form):
        _, classifier = build(**FORMS[form])
        compiled(classifier, learning_rate=0.1, run_eagerly=True)
        before = [to_numpy(weight) for weight in classifier.trainable_weights]
        classifier.train_on_batch(pictures(), np.arange(B))
        for weight, old in zip(classifier.trainable_weights, before, strict=True):
            assert (to_numpy(weight) != old).any(), weight.path

    @pytest.mark.parametrize("form", FORMS)
    def test_saved_and_loaded_it_is_the_same(self, form, tmp_path):
        _, classifier = build(**FORMS[form], stochastic_depth=0.2, dropout=0.1)
        randomise(classifier)
        classifier.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        pixels = pictures()
        np.testing.assert_allclose(
            to_numpy(loaded(pixels)), to_numpy(classifier(pixels)), atol=1e-6
        )
        configs = [each.get_config() for each in (loaded, classifier)]
        assert [config.pop("tokenizer")["class_name"] for config in configs] == ["Sequential"] * 2
        assert configs[0] == configs[1]
        rates = [block.stochastic_depth for block in loaded.blocks]
        assert rates == [0.0, 0.2]

    def test_half_precision_keeps_weights_and_logits_in_float32(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            _, classifier = build()
            logits, weights = classifier(pictures(), return_attention_scores=True)
        finally:
            keras.config.set_dtype_policy("float32")
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        assert keras.backend.standardize_dtype(weights["blocks"][0].dtype) == "bfloat16"
        assert {weight.dtype for weight in classifier.trainable_weights} == {"float32"}

    @pytest.mark.parametrize("form", FORMS)
    def test_half_precision_is_that_of_the_model_and_not_of_who_loads_it(self, form, tmp_path):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            _, classifier = build(**FORMS[form])
        finally:
            keras.config.set_dtype_policy("float32")
        randomise(classifier).save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        hollow = keras.Model | keras.layers.InputLayer  # They compute nothing of their own.
        found = [
            [
                (type(layer), layer.dtype_policy.name)
                for layer in each._flatten_layers()
                if not isinstance(layer, hollow)
            ]
            for each in (loaded, classifier)
        ]
        assert found[0] == found[1]
        whole = {"head": "float32"}
        for layer in (*loaded.blocks, loaded.positions, loaded.norm, loaded.head):
            assert layer.dtype_policy.name == whole.get(layer.name, "mixed_bfloat16")
        pixels = pictures()
        np.testing.assert_array_equal(to_numpy(loaded(pixels)), to_numpy(classifier(pixels)))

    def test_sizes_are_those_of_the_papers(self):
        """DeiT-Ti has 5.7 million parameters (Touvron et al. 2021), CCT-7/3x1 3.76 (Hassani)."""
        config = Config(model="vit", size="tiny", image_size=224, patch_size=16)
        assert model.build(config, 3, 1000).count_params() == pytest.approx(5.7e6, rel=0.01)
        config = Config(model="compact", size="small", image_size=32, convolutions=1)
        assert model.build(config, 3, 10).count_params() == pytest.approx(3.76e6, rel=0.03)

    def test_pixels_of_grey_pictures_are_scaled(self):
        _, classifier = build(1)
        embedding = classifier.tokenizer.layers[1]
        assert isinstance(embedding, layers.PatchEmbedding)
        pixels = np.full((1, 12, 12, 1), 255, "float32")
        cells = to_numpy(classifier.tokenizer(pixels))
        kernel, bias = embedding.get_weights()
        np.testing.assert_allclose(cells[0, 0, 0], kernel.sum(axis=0) + bias, atol=1e-5)


class TestMechanisms:
    @pytest.mark.parametrize("attention", MECHANISMS)
    def test_each_looks_and_learns(self, attention):
        _, classifier = build(attention=attention, depth=1)
        _, weights = to_numpy(classifier(pictures(), return_attention_scores=True))
        heads = 1 if attention in SINGLE_HEAD else 2
        (block,) = weights["blocks"]
        assert block.shape == (B, heads, 10, 10)
        np.testing.assert_allclose(block.sum(-1), 1, atol=1e-4)
        expected = type(layers.get(attention, dim=16, num_heads=2))
        assert type(classifier.blocks[0].self_attention) is expected
        compiled(classifier, run_eagerly=True)
        assert np.isfinite(classifier.train_on_batch(pictures(), np.arange(B)))

    def test_the_configuration_names_all(self):
        assert list(MECHANISMS) == layers.mechanisms()

    def test_local_sees_two_rows_up_and_down_and_the_class_token_all(self):
        _, classifier = build(attention="local", image_size=48, depth=1)
        weights = to_numpy(classifier(pictures(size=48), return_attention_scores=True))[1]
        seen = weights["blocks"][0][0, 0] > 0
        assert seen[0].all() and seen[:, 0].all()
        rows = seen[1 + 5 * 12 + 3, 1:].reshape(12, 12).any(axis=1)
        np.testing.assert_array_equal(np.flatnonzero(rows), [3, 4, 5, 6, 7])


class TestOtherSizes:
    @pytest.mark.parametrize("form", FORMS)
    def test_weights_are_carried_over_and_positions_resized(self, form):
        _, small = build(**FORMS[form])
        randomise(small)
        _, large = build(**FORMS[form], image_size=24, trained=small)
        assert large.grid == (6, 6)
        for old, new in zip(small.weights, large.weights, strict=True):
            if not new.path.endswith("positions/positions"):
                np.testing.assert_array_equal(to_numpy(new), to_numpy(old))
        if small.positions_kind == "learned":
            token = int(form == "token")
            old, new = to_numpy(small.positions.positions), to_numpy(large.positions.positions)
            np.testing.assert_array_equal(new[:token], old[:token])
            expected = layers.resize_positions(old[token:], (3, 3), (6, 6))
            np.testing.assert_allclose(new[token:], to_numpy(expected), atol=1e-6)
        assert to_numpy(large(pictures(size=24))).shape == (B, CLASSES)

    def test_of_the_same_size_it_is_the_same(self):
        _, first = build()
        randomise(first)
        _, second = build(trained=first)
        pixels = pictures()
        np.testing.assert_allclose(to_numpy(second(pixels)), to_numpy(first(pixels)), atol=1e-6)

    def test_other_classes_get_a_new_head(self):
        config, first = build()
        second = model.build(config, 3, CLASSES + 2, trained=first)
        assert to_numpy(second(pictures())).shape == (B, CLASSES + 2)
        pairs = zip(first.blocks[1].weights, second.blocks[1].weights, strict=True)
        assert all((to_numpy(a) == to_numpy(b)).all() for a, b in pairs)

    def test_another_model_is_refused(self):
        _, first = build()
        with pytest.raises(ValueError, match=r"another model"):
            build(trained=first, mlp_ratio=3.0)
        with pytest.raises(ValueError, match=r"another model"):
            build(trained=first, depth=3)
        with pytest.raises(ValueError, match=r"another model"):
            build(trained=first, pool="mean")


class TestBackbone:
    @pytest.fixture(autouse=True)
    def network(self, monkeypatch):
        """A stand-in for a pretrained network, with batch statistics of its own."""
        pixels = keras.Input((12, 12, 3))
        x = keras.layers.Rescaling(1 / 255)(pixels)
        x = keras.layers.Conv2D(7, 3, strides=4, padding="same")(x)
        network = keras.Model(pixels, keras.layers.BatchNormalization()(x))
        backbone = backbones.Backbone("stand-in", network)
        monkeypatch.setattr(backbones, "open_backbone", lambda *_, trainable: backbone)
        return network

    @pytest.mark.parametrize("channels", [1, 3])
    def test_it_is_trained_with_its_head_and_keeps_its_statistics(self, channels, network):
        _, classifier = build(channels, backbone="stand-in", pool="attention")
        assert classifier.grid == (3, 3)
        compiled(classifier, learning_rate=0.1, run_eagerly=True)
        kernel = to_numpy(network.trainable_weights[0])
        kept = [to_numpy(weight) for weight in network.non_trainable_weights]
        classifier.train_on_batch(pictures(channels), np.arange(B))
        assert (to_numpy(network.trainable_weights[0]) != kernel).any()
        for weight, old in zip(network.non_trainable_weights, kept, strict=True):
            np.testing.assert_array_equal(to_numpy(weight), old)

    def test_saved_and_loaded_it_is_the_same(self, tmp_path):
        _, classifier = build(1, backbone="stand-in")
        classifier.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        pixels = pictures(1)
        np.testing.assert_allclose(
            to_numpy(loaded(pixels)), to_numpy(classifier(pixels)), atol=1e-6
        )


@pytest.mark.parametrize(
    "form",
    [pytest.param(f, marks=pytest.mark.slow) if f in ("mean", "attention") else f for f in FORMS],
)
def test_ten_pictures_are_learnt_by_heart(form):
    keras.utils.set_random_seed(0)
    _, classifier = build(**FORMS[form])
    pixels, labels = pictures(batch=10), np.arange(10) % CLASSES
    compiled(classifier, steps=80, learning_rate=5e-3)
    classifier.fit(pixels, labels, batch_size=10, epochs=80, verbose=0)
    probabilities = to_numpy(ops.softmax(classifier.predict(pixels, verbose=0)))
    assert (probabilities.argmax(axis=1) == labels).all()
    assert probabilities[np.arange(10), labels].min() > 0.8


@pytest.mark.parametrize("form", ["token", "compact"])
def test_backends_train_look_save_and_load(form, tmp_path):
    keras.utils.set_random_seed(0)
    settings = {**FORMS[form], "stochastic_depth": 0.1, "dropout": 0.05}
    _, classifier = build(**settings)
    pixels, labels = pictures(batch=8), np.arange(8) % CLASSES
    compiled(classifier, steps=20)
    history = classifier.fit(pixels, labels, batch_size=8, epochs=20, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0]
    logits, weights = to_numpy(classifier(pixels, return_attention_scores=True))
    np.testing.assert_allclose([block.sum(-1) for block in weights["blocks"]], 1, atol=1e-4)
    classifier.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(to_numpy(loaded(pixels)), logits, rtol=1e-4, atol=1e-4)
    _, large = build(**settings, image_size=24, trained=loaded)
    assert np.isfinite(to_numpy(large(pictures(size=24)))).all()
