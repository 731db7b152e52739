"""The Vision Transformer: its parts as numbers, every mechanism, other sizes, and old files."""

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers.registry import MECHANISMS
from tests.layers.backend import to_numpy
from tests.layers.old_files import rename_modules

B, CLASSES, D = 3, 5, 16


def build(channels=3, image_size=12, compact=False, classes=CLASSES, **options):
    shape = (image_size, image_size, channels)
    if compact:
        tokenizer = layers.convolutional_tokenizer(shape, D, convolutions=2)
        options = {"pool": "attention", **options}
    else:
        tokenizer = layers.patch_tokenizer(shape, 4, D)
    options = {"depth": 2, "num_heads": 2, "mlp_dim": 64, **options}
    classifier = layers.VisionTransformer(tokenizer, classes, **options)
    classifier.build((None, *shape))
    return classifier


def pictures(channels=3, size=12, batch=B, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (batch, size, size, channels)).astype("float32")


def randomise(classifier, seed=1):
    random = np.random.default_rng(seed)
    for weight in classifier.trainable_weights:
        weight.assign(weight + 0.1 * random.normal(size=weight.shape))
    return classifier


def compiled(classifier, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.AdamW(0.1), loss, run_eagerly=True, **options)
    return classifier


FORMS = {
    "token": {},
    "mean": {"pool": "mean", "positions": "sinusoidal"},
    "attention": {"pool": "attention", "layer_scale": 0.1},
    "compact": {"compact": True, "layer_scale": 0.1},
}


class TestForms:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("form", FORMS)
    def test_logits_and_the_weights_behind_them(self, form, channels):
        classifier = build(channels, **FORMS[form])
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
        classifier = build(**FORMS[form])
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
        classifier = build(**FORMS[form])
        compiled(classifier)
        before = [to_numpy(weight) for weight in classifier.trainable_weights]
        classifier.train_on_batch(pictures(), np.arange(B))
        for weight, old in zip(classifier.trainable_weights, before, strict=True):
            assert (to_numpy(weight) != old).any(), weight.path

    @pytest.mark.parametrize("form", FORMS)
    def test_saved_and_loaded_it_is_the_same(self, form, tmp_path):
        classifier = build(**FORMS[form], stochastic_depth=0.2, dropout=0.1)
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
            classifier = build()
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
            classifier = build(**FORMS[form])
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


class TestMechanisms:
    @pytest.mark.parametrize("attention", [name for name in MECHANISMS if name != "monotonic"])
    def test_each_looks_and_learns(self, attention):
        classifier = build(attention=attention, depth=1)
        _, weights = to_numpy(classifier(pictures(), return_attention_scores=True))
        heads = 1 if MECHANISMS[attention].single_head else 2
        (block,) = weights["blocks"]
        assert block.shape == (B, heads, 10, 10)
        np.testing.assert_allclose(block.sum(-1), 1, atol=1e-4)
        expected = type(layers.get(attention, dim=16, num_heads=2))
        assert type(classifier.blocks[0].self_attention) is expected
        compiled(classifier)
        assert np.isfinite(classifier.train_on_batch(pictures(), np.arange(B)))

    def test_local_sees_two_rows_up_and_down_and_the_class_token_all(self):
        classifier = build(attention="local", image_size=48, depth=1)
        weights = to_numpy(classifier(pictures(size=48), return_attention_scores=True))[1]
        seen = weights["blocks"][0][0, 0] > 0
        assert seen[0].all() and seen[:, 0].all()
        rows = seen[1 + 5 * 12 + 3, 1:].reshape(12, 12).any(axis=1)
        np.testing.assert_array_equal(np.flatnonzero(rows), [3, 4, 5, 6, 7])


class TestOtherSizes:
    @pytest.mark.parametrize("form", FORMS)
    def test_weights_are_carried_over_and_positions_resized(self, form):
        small = build(**FORMS[form])
        randomise(small)
        large = build(**FORMS[form], image_size=24)
        large.initialize_from(small)
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
        first, second = randomise(build()), build()
        second.initialize_from(first)
        pixels = pictures()
        np.testing.assert_allclose(to_numpy(second(pixels)), to_numpy(first(pixels)), atol=1e-6)

    def test_other_classes_get_a_new_head(self):
        first, second = build(), build(classes=CLASSES + 2)
        second.initialize_from(first)
        assert to_numpy(second(pictures())).shape == (B, CLASSES + 2)
        pairs = zip(first.blocks[1].weights, second.blocks[1].weights, strict=True)
        assert all((to_numpy(a) == to_numpy(b)).all() for a, b in pairs)

    def test_another_model_is_refused(self):
        for other in ({"mlp_dim": 48}, {"depth": 3}, {"pool": "mean"}):
            with pytest.raises(ValueError, match=r"another model"):
                build(**other).initialize_from(build())


@pytest.mark.parametrize("form", FORMS)
def test_files_of_the_time_when_it_was_of_an_application_load(form, tmp_path):
    classifier = randomise(build(**FORMS[form]))
    path = tmp_path / "model.keras"
    classifier.save(path)
    config = rename_modules(path, r"layers\.models\.vision_transformer", "apps.vision.model")
    assert '"registered_name": "attention_suite.vision>VisionTransformer"' in config
    loaded, pixels = keras.saving.load_model(path), pictures()
    np.testing.assert_allclose(to_numpy(loaded(pixels)), to_numpy(classifier(pixels)), atol=1e-6)
