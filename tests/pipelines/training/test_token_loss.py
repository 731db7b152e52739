"""The loss beside its formula, token by token."""

import keras
import numpy as np
import pytest
from keras import ops

from pipelines.text.tokenizer import PAD
from pipelines.training.token_loss import TokenCrossentropy


def formula(targets, logits, smoothing):
    """The loss, token by token, from its definition."""
    losses = []
    for target, z in zip(targets.ravel(), logits.reshape(-1, logits.shape[-1]), strict=True):
        if target != PAD:
            log_p = z - np.log(np.exp(z).sum())
            q = np.full(len(z), smoothing / len(z))
            q[target] += 1 - smoothing
            losses.append(-(q * log_p).sum())
    return np.mean(losses)


class TestTokenCrossentropy:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4, 7)) * 2  # Any number of axes.
    targets = np.array([[[3, 4, 2, 0], [5, 2, 0, 0], [6, 6, 6, 2]]] * 2)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
    def test_equals_its_formula(self, smoothing):
        loss = TokenCrossentropy(smoothing)
        found = float(loss(self.targets, self.logits))
        assert found == pytest.approx(formula(self.targets, self.logits, smoothing), rel=1e-5)

    def test_equals_that_of_keras_without_smoothing(self):
        targets, logits = self.targets[..., :2].clip(1), self.logits[..., :2, :]
        expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(targets, logits)
        assert float(TokenCrossentropy()(targets, logits)) == pytest.approx(float(expected), 1e-5)

    def test_padding_has_no_influence(self):
        loss = TokenCrossentropy(0.1)
        targets, logits = self.targets[0, :1], self.logits[0, :1]
        alone = float(loss(targets[:, :3], logits[:, :3]))
        longer = np.pad(targets, ((0, 7), (0, 5)))
        noise = self.rng.normal(size=(8, 9, 7)) * 50
        noise[:1, :3] = logits[:, :3]
        assert float(loss(longer, noise)) == pytest.approx(alone, rel=1e-6)

    def test_only_padding_is_no_loss(self):
        assert float(TokenCrossentropy(0.1)(np.zeros((2, 3)), np.ones((2, 3, 5)))) == 0.0

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_is_raised_before_the_softmax(self, dtype):
        logits = np.round(self.logits) * 4 + 20000 * (dtype == "float16")
        found = TokenCrossentropy(0.1)(self.targets, ops.cast(logits, dtype))
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        exact = ops.convert_to_numpy(ops.cast(ops.cast(logits, dtype), "float32"))
        exact = exact.astype("float64")
        expected = formula(self.targets, exact - exact.max(-1, keepdims=True), 0.1)
        assert float(found) == pytest.approx(expected, abs=5e-3)

    def test_its_configuration_comes_back(self):
        loss = TokenCrossentropy(0.15, name="tokens")
        config = keras.saving.serialize_keras_object(loss)
        rebuilt = keras.saving.deserialize_keras_object(config)
        assert isinstance(rebuilt, TokenCrossentropy)
        assert (rebuilt.label_smoothing, rebuilt.name) == (0.15, "tokens")
        assert rebuilt.get_config() == loss.get_config()
