"""The classifier that a configuration describes: its parts, and learning by heart."""

import keras
import numpy as np
import pytest
from keras import ops

from apps.vision import model
from apps.vision.config import Config
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


@pytest.mark.parametrize("form", FORMS)
def test_it_is_built_as_configured(form):
    settings = {**FORMS[form], "stochastic_depth": 0.2, "dropout": 0.1, "mlp_ratio": 3.0}
    config, classifier = build(**settings, attention="luong_general")
    found = classifier.get_config()
    tokenizers = {"compact": "convolutional_tokenizer"}
    assert classifier.tokenizer.name == tokenizers.get(form, "patch_tokenizer")
    assert (classifier.grid, classifier.tokenizer.output_shape[3]) == ((3, 3), 16)
    assert (found["classes"], found["depth"], found["num_heads"]) == (CLASSES, 2, 2)
    assert (found["mlp_dim"], found["attention"]) == (48, "luong_general")
    assert (found["stochastic_depth"], found["dropout"]) == (0.2, 0.1)
    assert found["layer_scale"] == FORMS[form].get("layer_scale")
    assert (found["pool"], found["positions"]) == (config.resolved.pool, config.resolved.positions)


def test_another_size_starts_where_a_trained_one_ended():
    _, small = build()
    randomise(small)
    _, large = build(image_size=24, trained=small)
    kernels = [each.blocks[1].mlp_hidden.kernel for each in (small, large)]
    np.testing.assert_array_equal(*map(to_numpy, kernels))
    assert large.grid == (6, 6)
    with pytest.raises(ValueError, match="another model"):
        build(trained=small, depth=3)


def test_sizes_are_those_of_the_papers():
    """DeiT-Ti has 5.7 million parameters (Touvron et al. 2021), CCT-7/3x1 3.76 (Hassani)."""
    config = Config(model="vit", size="tiny", image_size=224, patch_size=16)
    assert model.build(config, 3, 1000).count_params() == pytest.approx(5.7e6, rel=0.01)
    config = Config(model="compact", size="small", image_size=32, convolutions=1)
    assert model.build(config, 3, 10).count_params() == pytest.approx(3.76e6, rel=0.03)


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
    [
        pytest.param(f, marks=pytest.mark.slow) if f in ("mean", "attention", "token") else f
        for f in FORMS
    ],
)
def test_ten_images_are_learnt_by_heart(form):
    keras.utils.set_random_seed(0)
    _, classifier = build(**FORMS[form])
    pixels, labels = pictures(batch=10), np.arange(10) % CLASSES
    compiled(classifier, steps=80, learning_rate=5e-3)
    # All ten in each of 80 steps.
    steps = np.tile(pixels, (80, 1, 1, 1)), np.tile(labels, 80)
    classifier.fit(*steps, batch_size=10, shuffle=False, verbose=0)
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
