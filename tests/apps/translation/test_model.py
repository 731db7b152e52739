import functools
import json

import keras
import numpy as np
import pytest
from keras import ops

import layers
from apps.translation import data, model
from apps.translation.config import Config
from apps.translation.inference import Translator
from pipelines.commands.mechanisms import MECHANISMS, SELF_ATTENTION_ONLY, SINGLE_HEAD
from pipelines.decoding.generator_cache import Generators
from pipelines.metrics.attention_health import attention_health
from pipelines.training import optimizer, token_loss
from tests.apps.translation import tiny

VOCABULARY = 37
SOURCE = np.array([[7, 8, 9, 11, 13, 17, 2], [5, 19, 2, 0, 0, 0, 0]], "int32")
TOKENS = np.array([[1, 23, 29, 31, 3], [1, 6, 4, 0, 0]], "int32")
LABELS = np.array([[23, 29, 31, 3, 2], [6, 4, 2, 0, 0]], "int32")


def kind(mechanism):
    return type(layers.get(mechanism, dim=16, num_heads=2))


def build(**settings):
    keras.utils.set_random_seed(0)
    config = Config(**{**tiny.MODEL, **settings})
    return config, model.build(config, VOCABULARY)


def to_numpy(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def assert_one_step_trains_everything(translator):
    translator.compile(
        # Moves whatever has a gradient, however small.
        keras.optimizers.Lion(0.1),
        loss=token_loss.TokenCrossentropy(),
        run_eagerly=True,
        jit_compile=False,
    )
    before = [to_numpy(weight) for weight in translator.trainable_weights]
    loss = translator.train_on_batch({"source": SOURCE, "tokens": TOKENS}, LABELS)
    assert 0.5 * np.log(VOCABULARY) < loss < 2 * np.log(VOCABULARY)
    for weight, old in zip(translator.trainable_weights, before, strict=True):
        assert (to_numpy(weight) != old).any(), weight.path


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_transformer_reads_and_looks_with_every_mechanism(mechanism):
    looks = None if mechanism in SELF_ATTENTION_ONLY else mechanism
    _, translator = build(encoder_attention=mechanism, attention=looks)
    (reader,), (writer,) = translator.encoder.blocks, translator.decoder.blocks
    assert type(reader.self_attention) is kind(mechanism)
    assert type(writer.cross_attention) is kind(looks or "multi_head")
    assert_one_step_trains_everything(translator)


@pytest.mark.parametrize("mechanism", SINGLE_HEAD)
def test_a_recurrent_decoder_looks_with_every_mechanism(mechanism):
    _, translator = build(model="rnn", attention=mechanism)
    assert type(translator.decoder.attention_layers()[0]) is kind(mechanism)
    assert_one_step_trains_everything(translator)


@pytest.mark.parametrize("name", ["transformer", "rnn"])
def test_every_setting_reaches_the_layers(name):
    sizes = {"encoder_layers": 2, "decoder_layers": 3, "word_dropout": 0.25, "max_source": 19}
    config, translator = build(model=name, dropout=0.5, **sizes)
    encoder, decoder = translator.encoder, translator.decoder
    assert (encoder.num_layers, decoder.num_layers) == (2, 3)
    assert (encoder.dropout, decoder.dropout, decoder.word_dropout) == (0.5, 0.5, 0.25)
    assert (decoder.vocabulary_size, decoder.dim) == (VOCABULARY, config.dim)
    if name == "rnn":
        assert encoder.dim == config.dim
    else:
        assert (encoder.num_heads, encoder.mlp_dim, encoder.max_length) == (2, 16, 19)
        assert (decoder.num_heads, decoder.mlp_dim, decoder.max_length) == (2, 16, 13)


def pairs_of_many_lengths():
    rows = tiny.make_dates(10)
    return [
        {**row, "source": " ".join([row["source"]] * (1 + i % 3))} for i, row in enumerate(rows)
    ]


def learn(monkeypatch, epochs, learning_rate, **settings):
    """Trains on ten pairs; those, the translator, and what decodes with it."""
    traces = []
    call = layers.SequenceToSequence.call

    @functools.wraps(call)
    def counted(self, *args, **kwargs):
        traces.append(args)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(layers.SequenceToSequence, "call", counted)
    rows = pairs_of_many_lengths()
    config = Config(**{**tiny.MODEL, "mlp_dim": 64, "tokens_per_batch": 64, **settings})
    tokenizer = data.train_tokenizer(rows, config)
    batches = data.training_batches(rows, tokenizer, config)
    shapes = {inputs["source"].shape for inputs, _ in batches.open().take(2 * batches.steps)}
    assert len(shapes) >= 3
    keras.utils.set_random_seed(0)
    translator = model.build(config, tokenizer.vocabulary_size)
    steps = batches.steps * epochs
    translator.compile(
        optimizer.make_optimizer(learning_rate, steps, warmup_steps=steps // 10),
        loss=token_loss.TokenCrossentropy(),
        # So small a model is trained before XLA has compiled it.
        jit_compile=keras.backend.backend() == "jax",
    )
    translator.optimizer.build(translator.trainable_variables)
    history = translator.fit(batches.open(), steps_per_epoch=steps, verbose=0).history
    assert history["loss"][0] < 0.9 * np.log(tokenizer.vocabulary_size)
    if keras.backend.backend() != "torch":  # It runs Python at every step.
        assert len(traces) <= len(shapes) + 1

    def decode(translator, method):
        results = Translator(translator, tokenizer, config).predict(rows, decode=method)
        return [result.text for result in results], [result.weights for result in results]

    return rows, translator, decode


def assert_saved_and_loaded(translator, folder):
    translator.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras", compile=False)
    inputs = {"source": SOURCE, "tokens": TOKENS}
    np.testing.assert_allclose(
        to_numpy(translator(inputs)), to_numpy(loaded(inputs)), rtol=1e-5, atol=1e-5
    )
    return loaded


def assert_learnt(rows, texts, weights):
    assert texts == [row["target"] for row in rows], json.dumps(texts)
    health = attention_health(weights)
    assert health["attention_entropy"] < 0.9
    assert health["attention_on_padding"] == 0


def test_backends_learn_ten_pairs_by_heart_save_and_load(monkeypatch, tmp_path):
    rows, translator, decode = learn(monkeypatch, epochs=60, learning_rate=0.01, dim=32)
    assert_learnt(rows, *decode(translator, "greedy"))
    assert_learnt(rows, *decode(assert_saved_and_loaded(translator, tmp_path), "beam"))


def test_backends_train_save_and_load_a_recurrent_model(monkeypatch, tmp_path):
    _, translator, decode = learn(monkeypatch, epochs=4, learning_rate=0.02, model="rnn")
    loaded = assert_saved_and_loaded(translator, tmp_path)
    for method in ("greedy", "beam"):
        texts, weights = decode(loaded, method)
        assert all(texts)
        for row in weights:
            np.testing.assert_allclose(row.sum(-1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", SINGLE_HEAD)
def test_a_recurrent_model_learns_ten_pairs_by_heart(mechanism, monkeypatch):
    settings = {"model": "rnn", "attention": mechanism, "dim": 128}
    rows, translator, decode = learn(monkeypatch, epochs=150, learning_rate=0.004, **settings)
    assert_learnt(rows, *decode(translator, "greedy"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "looks"), [("local", "additive"), ("block_sparse", "multi_query")]
)
def test_other_transformers_learn_ten_pairs_by_heart(reader, looks, monkeypatch):
    settings = {"encoder_attention": reader, "attention": looks, "dim": 32}
    rows, translator, decode = learn(monkeypatch, epochs=60, learning_rate=0.01, **settings)
    assert_learnt(rows, *decode(translator, "greedy"))


@pytest.mark.parametrize("name", ["transformer", "rnn"])
def test_padding_changes_nothing(name):
    _, translator = build(model=name)
    alone = to_numpy(translator({"source": SOURCE[1:, :3], "tokens": TOKENS[1:, :3]}))
    together = to_numpy(translator({"source": SOURCE, "tokens": TOKENS}))
    np.testing.assert_allclose(together[1:, :3], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["transformer", "rnn"])
def test_half_precision_trains_decodes_and_sums_to_one(name, precision):
    keras.config.set_dtype_policy(f"mixed_{precision}")
    try:
        config, translator = build(model=name, precision=precision)
        inputs = {"source": SOURCE, "tokens": TOKENS}
        assert keras.backend.standardize_dtype(translator(inputs).dtype) == precision
        assert_one_step_trains_everything(translator)
        generator = Generators(translator).get(config, config.max_target)
        decoded = generator.predict_on_batch(SOURCE)
    finally:
        keras.config.set_dtype_policy("float32")
    real = decoded["tokens"] != 0
    np.testing.assert_allclose(decoded["weights"].sum(-1), real, atol=0.01)
    assert {weight.dtype for weight in translator.trainable_weights} == {"float32"}
