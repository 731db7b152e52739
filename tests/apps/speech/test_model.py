"""Every pair of encoder and decoder learns ten melodies by heart, and listens along the sound."""

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.speech import model
from apps.speech.config import Config
from apps.speech.inference import Recognizer
from pipelines.audio.front_ends import LogMels
from pipelines.audio.log_mel import log_mel
from pipelines.audio.normalization import normalization
from pipelines.commands.errors import UserError
from pipelines.metrics import word_error_rate
from pipelines.text.speech_units import Units
from pipelines.text.tokenizer import pad
from pipelines.training import optimizer
from tests.apps.speech import tiny

SECONDS = 0.04


@functools.cache
def learn(steps=150, learning_rate=5e-3, **flags):
    """Ten melodies, all in one batch; the recognizer, its samples and its texts."""
    keras.utils.set_random_seed(0)
    config = Config(**{**tiny.MODEL, "dim": 32, "mlp_dim": 64, "filters": 8, **flags})
    words = tiny.melodies(10, seed=3)
    samples, texts = [tiny.sing(melody)[0] for melody in words], list(map(" ".join, words))
    log_mels = [np.asarray(log_mel(each)) for each in samples]
    units = Units.train(texts, 16, "word")
    scale = normalization(log_mels)
    network = model.build(config, units.vocabulary_size)
    frames = np.array([len(each) for each in log_mels], "int32")
    features = np.zeros((10, frames.max(), 80), "float32")
    for row, each in zip(features, log_mels, strict=True):
        row[: len(each)] = scale.apply(each)
    ids = units.encode(texts)
    tokens = pad(ids, max(map(len, ids)))
    labels = {"ctc": pad([each[1:-1] for each in ids], 6), "attention": tokens[:, 1:]}
    objective = model.objective(replace(config, label_smoothing=0.0))
    del objective["loss_weights"]
    optimizer_ = optimizer.make_optimizer(learning_rate, steps, 10)
    # Fewer returns to Python, which PyTorch does not have.
    at_once = 1 if keras.backend.backend() == "torch" else 10
    network.compile(optimizer_, steps_per_execution=at_once, **objective)
    inputs = {"features": features, "frames": frames, "tokens": tokens[:, :-1]}
    labels = {name: labels[name] for name in network.heads}
    batches = tf.data.Dataset.from_tensors((inputs, labels)).repeat()
    network.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
    front_end = LogMels(scale, config.max_seconds)
    return Recognizer(network, units, front_end, config), samples, texts


@pytest.mark.parametrize(
    ("encoder", "decoder", "steps"),
    [
        pytest.param("conformer", "transformer", 300, marks=pytest.mark.slow),
        pytest.param("lstm", "rnn", 200, marks=pytest.mark.slow),
        pytest.param("transformer", "none", 200, marks=pytest.mark.slow),
    ],
)
def test_it_learns_ten_utterances_by_heart_and_where_they_are(encoder, decoder, steps):
    # Notes are hidden, else the decoder need not listen after the first of a melody.
    recognizer, samples, texts = learn(
        encoder=encoder, decoder=decoder, word_dropout=0.5, steps=steps
    )
    results = recognizer.predict(samples, decode_batch_size=4)
    assert [result.text for result in results] == texts
    # A decoder alone may miscount a note that is repeated.
    for decode, most in (("ctc", 0.0), ("attention", 0.25)) if decoder != "none" else ():
        alone = recognizer.predict(samples, decode=decode, decode_batch_size=4)
        found = [result.text for result in alone]
        assert word_error_rate.score(found, texts)["wer"] <= most
    onward, far = [], []
    for result in results:
        # A note lasts 0.2 seconds, and a rest follows it.
        centres = np.array(tiny.sing(result.text.split())[1]) + 0.1
        assert [word for word, _, _ in result.words] == result.text.split()
        middles = [(start + end) / 2 for _, start, end in result.words]
        assert np.abs(middles - centres).max() < 0.25
        weights = result.heard.weights
        if weights is not None:
            places = weights @ np.arange(weights.shape[1]) * SECONDS
            onward += (np.diff(places) > 0).tolist()
            far += np.abs(places - centres).tolist()
    if decoder != "none":
        # Even attention would stay where it is, half a second off.
        assert np.mean(onward) > 0.7 and np.mean(far) < 0.2


@pytest.mark.slow
def test_a_long_utterance_is_transcribed_in_pieces_and_the_times_go_on(monkeypatch):
    recognizer, samples, texts = learn(
        encoder="transformer", decoder="none", word_dropout=0.5, steps=200
    )
    silence = np.zeros(int(0.6 * tiny.RATE), "float32")
    whole = np.concatenate([part for each in samples[:4] for part in (each, silence)])
    longest = max(map(len, samples)) / tiny.RATE + 0.6
    monkeypatch.setattr(recognizer.front_end, "max_seconds", longest)
    (result,) = recognizer.predict(whole)
    assert result.text.split() == " ".join(texts[:4]).split()
    starts = [start for _, start, _ in result.words]
    seconds = len(whole) / tiny.RATE
    assert starts == sorted(starts) and 0.7 * seconds < starts[-1] < seconds
    assert len(result.heard.log_probs) >= 25 * int(seconds)
    attention = result.attention
    assert attention.seconds == pytest.approx(seconds, abs=0.02)
    np.testing.assert_array_equal(attention.sound, whole)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="It is TensorFlow's")
def test_a_ctc_loss_that_xla_cannot_compile_is_refused_or_interpreted():
    assert model.objective(Config())["jit_compile"] is False
    assert "jit_compile" not in model.objective(Config(ctc_weight=0.0, xla="on"))
    with pytest.raises(UserError, match="--xla on: XLA cannot compile TensorFlow's CTC loss"):
        model.objective(Config(xla="on"))


@pytest.mark.parametrize("decoder", ["transformer", "none"])
def test_backends_train(decoder):
    recognizer, samples, texts = learn(steps=3, decoder=decoder)
    results = recognizer.predict(samples[:3], decode_batch_size=2)
    found = [result.text for result in results]
    assert word_error_rate.score(found, texts[:3])["wer"] > 0
