"""Every pair of encoder and decoder learns ten melodies by heart, and listens along the sound."""

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest

from apps.speech import model
from apps.speech.config import Config
from apps.speech.evaluate import make_recognizer, score
from pipelines.audio.front_ends import LogMels
from pipelines.audio.log_mel import log_mel
from pipelines.audio.normalization import normalization
from pipelines.text.speech_units import Units
from pipelines.text.tokenizer import pad
from pipelines.training import ctc_loss, optimizer, token_loss
from tests.apps.speech import tiny

SECONDS = 0.04


@functools.cache
def learn(steps=150, learning_rate=5e-3, **flags):
    """Ten melodies, all in one batch; the recognizer, its spectrograms and its lines."""
    keras.utils.set_random_seed(0)
    config = Config(**{**tiny.MODEL, "dim": 32, "mlp_dim": 64, "filters": 8, **flags})
    words = tiny.melodies(10, seed=3)
    log_mels = [np.asarray(log_mel(tiny.sing(melody)[0])) for melody in words]
    rows = [{"text": " ".join(melody)} for melody in words]
    units = Units.train([row["text"] for row in rows], 16, "word")
    scale = normalization(log_mels)
    network = model.build(config, units.vocabulary_size)
    frames = np.array([len(each) for each in log_mels], "int32")
    features = np.zeros((10, frames.max(), 80), "float32")
    for row, each in zip(features, log_mels, strict=True):
        row[: len(each)] = scale.apply(each)
    ids = units.encode([row["text"] for row in rows])
    tokens = pad(ids, max(map(len, ids)))
    labels = {"ctc": pad([each[1:-1] for each in ids], 6), "attention": tokens[:, 1:]}
    losses = {"ctc": ctc_loss.CtcLoss(), "attention": token_loss.TokenCrossentropy()}
    network.compile(
        optimizer.make_optimizer(learning_rate, steps, 10),
        loss={name: losses[name] for name in network.heads},
    )
    inputs = {"features": features, "frames": frames, "tokens": tokens[:, :-1]}
    labels = {name: labels[name] for name in network.heads}
    network.fit(inputs, labels, batch_size=10, epochs=steps, verbose=0, shuffle=False)
    recognizer = make_recognizer(network, units, LogMels(scale, config.max_seconds), config)
    return recognizer, log_mels, rows, config


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        pytest.param("conformer", "transformer", marks=pytest.mark.slow),
        pytest.param("lstm", "rnn", marks=pytest.mark.slow),
        ("transformer", "none"),
    ],
)
def test_it_learns_ten_utterances_by_heart_and_where_they_are(encoder, decoder):
    # Notes are hidden, else the decoder need not listen after the first of a melody.
    recognizer, log_mels, rows, config = learn(
        encoder=encoder, decoder=decoder, word_dropout=0.5, steps=200
    )
    heard = recognizer.transcribe(log_mels, batch_size=4)
    assert score(heard, rows, config)["wer"] == 0
    for decode in ("ctc", "attention") if decoder != "none" else ():
        one = replace(config, decode=decode)
        parts = recognizer.model, recognizer.tokenizer, recognizer.front_end
        alone = make_recognizer(*parts, one).transcribe(log_mels, batch_size=4)
        assert score(alone, rows, one)["wer"] == 0
    onward, far = [], []
    for one, row in zip(heard, rows, strict=True):
        # A note lasts 0.2 seconds, and a rest follows it.
        centres = np.array(tiny.sing(row["text"].split())[1]) + 0.1
        assert [word for word, _, _ in one.words] == row["text"].split()
        middles = [(start + end) / 2 for _, start, end in one.words]
        assert np.abs(middles - centres).max() < 0.25
        if one.weights is not None:
            places = one.weights @ np.arange(one.weights.shape[1]) * SECONDS
            onward += (np.diff(places) > 0).tolist()
            far += np.abs(places - centres).tolist()
    if decoder != "none":
        # Even attention would stay where it is, half a second off.
        assert np.mean(onward) > 0.7 and np.mean(far) < 0.2


def test_a_long_sound_is_heard_in_pieces_and_the_times_go_on(monkeypatch):
    recognizer, log_mels, rows, _ = learn(
        encoder="transformer", decoder="none", word_dropout=0.5, steps=200
    )
    silence = np.full((60, 80), log_mels[0].min(), "float32")
    whole = np.concatenate([part for each in log_mels[:4] for part in (each, silence)])
    longest = (max(map(len, log_mels)) + 60) / 100
    monkeypatch.setattr(recognizer.front_end, "max_seconds", longest)
    (heard,) = recognizer.transcribe([whole])
    assert heard.text.split() == " ".join(row["text"] for row in rows[:4]).split()
    starts = [start for _, start, _ in heard.words]
    assert starts == sorted(starts) and 0.7 * len(whole) < 100 * starts[-1] < len(whole)
    assert len(heard.log_probs) >= len(whole) // 4


@pytest.mark.parametrize("decoder", ["transformer", "none"])
def test_backends_train(decoder):
    recognizer, log_mels, rows, config = learn(steps=3, decoder=decoder)
    heard = recognizer.transcribe(log_mels[:3], batch_size=2)
    assert len(heard) == 3 and score(heard, rows[:3], config)["wer"] > 0
