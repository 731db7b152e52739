import re

import keras
import numpy as np
import pytest
from keras import ops

import layers
from apps.summarization import data, model
from apps.summarization.config import Config
from apps.summarization.inference import Summarizer
from layers import coverage_loss
from pipelines.decoding.generator_cache import Generators
from pipelines.text import token_batches
from pipelines.text.tokenizer import pad
from pipelines.text.word_tokenizer import WordTokenizer
from pipelines.training import optimizer, token_loss
from pipelines.training.pointer_loss import PointerCrossentropy
from tests.apps.summarization import tiny

V, S, T = 23, 7, 5
BACKEND = keras.backend.backend()
MODELS = [
    {"model": "rnn"},
    {"model": "rnn", "copy": False},
    {"model": "rnn", "attention": "luong_general"},
    {"model": "transformer"},
    {"model": "transformer", "copy": False},
    {"model": "transformer", "attention": "additive", "encoder_attention": "linear"},
]
models = pytest.mark.parametrize("settings", MODELS, ids=lambda s: " ".join(map(str, s.values())))


def build(vocabulary_size=V, **settings):
    keras.utils.set_random_seed(0)
    config = Config(**{**tiny.MODEL, "dropout": 0.0, **settings})
    return config, model.build(config, vocabulary_size)


def batch(copy):
    """Sources, tokens and labels; of one word of a source, twice there, V has no entry."""
    rng = np.random.default_rng(0)
    source = rng.integers(4, V, (3, S)).astype("int32")
    tokens = rng.integers(4, V, (3, T + 1)).astype("int32")
    tokens[:, 0] = 1
    if copy:
        source[0, [2, 5]] = tokens[0, 3] = V + 2
    source[1, 4:] = tokens[2, 4:] = 0
    labels = np.concatenate([tokens[:, 1:], source], axis=1) if copy else tokens[:, 1:]
    return {"source": source, "tokens": tokens[:, :-1]}, labels


def compile_with(summarizer, steps=10, learning_rate=0.01, **options):
    loss = token_loss.TokenCrossentropy()
    if summarizer.copies:
        loss = PointerCrossentropy(summarizer.decoder.vocabulary_size)
    # So small a model is trained before XLA has compiled it.
    options = {"jit_compile": BACKEND == "jax", **options}
    summarizer.compile(optimizer.make_optimizer(learning_rate, steps, 0), loss=loss, **options)


def to_numpy(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def weights_of(summarizer):
    return {weight.path: to_numpy(weight) for weight in summarizer.weights}


def named_weights(summarizer):
    """Weights by what they are in either kind of additive attention."""
    paths = {weight.path: weight for weight in summarizer.weights}
    plain = {re.sub("(coverage|additive)_attention", "attention", path): path for path in paths}
    return {re.sub(r"_\d+\b", "", name): paths[path] for name, path in plain.items()}


def coverage_kernel(summarizer):
    return to_numpy(summarizer.decoder.attention_layers()[0].coverage_projection.kernel)


class TestBuild:
    @models
    def test_every_weight_is_trained(self, settings):
        config, summarizer = build(**settings)
        assert summarizer.copies == config.copy
        summarizer.set_coverage(1.0)
        compile_with(summarizer, learning_rate=0.1, run_eagerly=True, jit_compile=False)
        before = weights_of(summarizer)
        inputs, labels = batch(config.copy)
        loss = summarizer.train_on_batch(inputs, labels)
        assert 0.5 * np.log(V) < loss < 2 * np.log(V) + T
        after = weights_of(summarizer)
        assert [path for path in before if (before[path] == after[path]).all()] == []

    def test_coverage_is_for_additive_attention_in_the_recurrent_model(self):
        def attention(**settings):
            _, summarizer = build(**settings)
            return type(summarizer.decoder.attention_layers()[0])

        assert attention() is layers.CoverageAttention
        assert attention(coverage=False) is layers.AdditiveAttention
        assert attention(attention="luong_dot") is layers.LuongAttention

    def test_a_transformer_copies_by_an_attention_of_its_own(self):
        _, summarizer = build(model="transformer")
        assert summarizer.decoder.copy_attention.num_heads == 1
        _, summarizer = build(model="rnn")
        assert summarizer.decoder.copy_attention is None

    @pytest.mark.slow
    def test_half_precision_keeps_weights_and_loss_in_float32(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            for settings in ({"model": "rnn"}, {"model": "transformer"}):
                _, summarizer = build(**settings)
                summarizer.set_coverage(1.0)
                compile_with(summarizer, run_eagerly=True, jit_compile=False)
                assert np.isfinite(summarizer.train_on_batch(*batch(copy=True)))
                dtypes = {weight.dtype for weight in summarizer.trainable_weights}
                assert dtypes == {"float32"}
        finally:
            keras.config.set_dtype_policy("float32")


class TestCoverage:
    def test_before_its_stage_the_attention_is_plain_additive(self):
        _, summarizer = build()
        _, plain = build(coverage=False)
        plain.decoder.attention_layers()[0].scale = 1.0  # That of coverage is not scaled.
        assert not coverage_kernel(summarizer).any()
        summarizer.set_coverage(1.0)
        kernel = summarizer.decoder.attention_layers()[0].coverage_projection.kernel
        kernel.assign(ops.ones_like(kernel))
        summarizer.set_coverage(0.0)
        assert not coverage_kernel(summarizer).any()
        compile_with(summarizer, run_eagerly=True, jit_compile=False, learning_rate=0.1)
        inputs, labels = batch(copy=True)
        summarizer.train_on_batch(inputs, labels)
        assert not coverage_kernel(summarizer).any()

        learnt = named_weights(summarizer)
        for name, weight in named_weights(plain).items():
            weight.assign(learnt[name])
        for found, expected in zip(
            summarizer(inputs, return_attention_scores=True),
            plain(inputs, return_attention_scores=True),
            strict=True,
        ):
            np.testing.assert_allclose(to_numpy(found), to_numpy(expected), atol=1e-5)

    @pytest.mark.parametrize("settings", [{}, {"copy": False}, {"model": "transformer"}], ids=str)
    def test_its_loss_is_part_of_the_loss_with_its_weight(self, settings):
        config, summarizer = build(**settings)
        compile_with(summarizer)
        inputs, labels = batch(config.copy)
        _, weights = summarizer(inputs, return_attention_scores=True)
        covered = float(coverage_loss(weights, inputs["tokens"] != 0))
        assert covered > 0.1
        losses = []
        for weight in (0.0, 2.0):
            summarizer.set_coverage(weight)
            outputs = summarizer(inputs, training=True)
            losses.append(float(summarizer.compute_loss(inputs, labels, outputs)))
        assert np.isclose(losses[1] - losses[0], 2.0 * covered, rtol=1e-3)

    def test_what_was_looked_at_changes_where_it_looks(self):
        _, summarizer = build()
        inputs, _ = batch(copy=True)
        _, before = summarizer(inputs, return_attention_scores=True)
        summarizer.set_coverage(1.0)
        kernel = summarizer.decoder.attention_layers()[0].coverage_projection.kernel
        kernel.assign(ops.ones_like(kernel))
        _, after = summarizer(inputs, return_attention_scores=True)
        changed = np.abs(to_numpy(after) - to_numpy(before)).max(axis=(0, 2))
        assert changed[0] < 1e-6 < 1e-3 < changed[1:].min()


@pytest.mark.parametrize("mechanism", ["local", pytest.param("linear", marks=pytest.mark.slow)])
def test_long_documents(mechanism):
    length = 1_003
    config, summarizer = build(
        model="transformer", encoder_attention=mechanism, max_source=length, num_heads=4
    )
    source = np.random.default_rng(0).integers(4, V, (2, length)).astype("int32")
    source[1, length // 2 :] = 0
    source[0, -2] = V + length - 2
    generator = Generators(summarizer).get(config, config.max_target)
    decoded = generator.predict_on_batch(source)
    assert (decoded["tokens"][:, 0] > 0).all()
    weights, copied = decoded["weights"][:, :, :-1], decoded["weights"][:, :, -1]
    real = decoded["tokens"] > 0
    np.testing.assert_allclose(weights.sum(axis=-1), real, atol=1e-3)
    assert not weights[1, :, length // 2 :].any()
    assert (copied[real] > 0).all() and (copied[real] < 1).all()

    # What stands far behind the first words is read, and what stands there is told from the rest.
    inputs = {"source": source, "tokens": np.array([[1, 5], [1, 5]], "int32")}
    first = to_numpy(summarizer(inputs))
    source[0, -3] = 4 + (source[0, -3] - 3) % (V - 4)
    second = to_numpy(summarizer(inputs))
    assert np.abs(first[0] - second[0]).max() > 1e-6
    np.testing.assert_array_equal(first[1], second[1])


SENTENCES = [
    ("{a} met {b} by the river and gave {b} a red boat.", "{b} got a boat"),
    ("By the river {a} and {b} saw a storm, but {a} stayed.", "{a} stayed in a storm"),
    ("{b} wrote a letter to {a}; it never came.", "{a} got no letter"),
    ("A red boat was sold by {a} to the sister of {b}.", "{a} sold a boat"),
    ("The storm took the house of {b}, says {a}.", "{b} has no house"),
    ("Nobody saw {a} or {b} by the house.", "{a} and {b} were not seen"),
    ("It was {b}, not {a}, that sang.", "{b} sang"),
    ("{a} sang a letter, the sister of {a} wrote it: {b}.", "{b} wrote what {a} sang"),
    ("In a red house {a} waits, and {b} sleeps.", "{b} sleeps"),
    ("The river never took {b}. It took {a}.", "the river took {a}"),
]


def named(names):
    """The ten documents, with names of which the vocabulary has none."""
    pairs = zip(names[::2], names[1::2], strict=True)
    return [
        {"document": document.format(a=a, b=b), "summary": summary.format(a=a, b=b)}
        for (document, summary), (a, b) in zip(SENTENCES, pairs, strict=True)
    ]


NAMES = [f"{first}{second}" for first in ("Ka", "Lo", "Mi", "Nu") for second in "bdfgl"]
OTHERS = [name[::-1].title() for name in NAMES]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "steps"), [("rnn", 250), ("transformer", 150)])
def test_ten_documents_are_learnt_by_heart_but_for_their_names(kind, steps):
    rows = named(NAMES)
    config, _ = build(model=kind, dim=48, mlp_dim=64, no_repeat_ngram=0)
    known = [text.format(a="", b="") for sentence in SENTENCES for text in sentence]
    tokenizer = WordTokenizer.train(known, 300)
    assert not set(NAMES + OTHERS) & set(tokenizer.vocabulary)
    sources, targets = tokenizer.encode_pairs(
        [row["document"] for row in rows], [row["summary"] for row in rows], 40, 12
    )
    # In one bucket, so that every batch is all ten.
    lengths = [max(map(len, ids)) for ids in (sources, targets)]
    bucket = token_batches.Bucket(pad(sources, lengths[0]), pad(targets, lengths[1]), batch_size=10)
    batches = token_batches.training_batches([bucket], seed=0, copying=True).open()
    keras.utils.set_random_seed(0)
    summarizer = model.build(config, tokenizer.vocabulary_size)
    compile_with(summarizer, steps, learning_rate=0.01)
    summarizer.fit(batches, steps_per_epoch=steps, verbose=0)

    trained = Summarizer(summarizer, tokenizer, config)
    for names in (NAMES, OTHERS):
        rows = named(names)
        results = trained.predict(rows)
        assert [result.text for result in results] == [row["summary"] for row in rows]
        for result in results:
            copies = result.tokens >= tokenizer.vocabulary_size
            assert copies.any() and (result.copied[copies] > 0.9).all()
            assert (result.weights[copies].max(axis=1) > 0.5).all()


@pytest.mark.parametrize("kind", ["rnn", "transformer"])
def test_backends_train_decode_save_and_load(kind, tmp_path):
    rows = tiny.make_documents(16)
    config = Config(**{**tiny.SETTINGS, "model": kind, "dropout": 0.0})
    tokenizer = WordTokenizer.train([row["document"] for row in rows], 30)
    buckets = data.make_buckets(rows, tokenizer, config)
    drawn = data.training_batches(buckets, tokenizer, config)
    batches, steps = drawn.open(), drawn.steps
    _, summarizer = build(tokenizer.vocabulary_size, model=kind)
    summarizer.set_coverage(0.5)
    compile_with(summarizer, steps=4 * steps)
    history = summarizer.fit(batches, steps_per_epoch=2 * steps, epochs=2, verbose=0)
    first, second = history.history["loss"]
    assert second < first < 2 * np.log(tokenizer.vocabulary_size)

    summarizer.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.coverage_weight == 0.5
    inputs = {name: value.numpy() for name, value in next(iter(batches))[0].items()}
    found, expected = to_numpy(loaded(inputs)), to_numpy(summarizer(inputs))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    results = Summarizer(loaded, tokenizer, config).predict(rows[:3], decode="beam")
    for result, row in zip(results, rows, strict=False):
        (ids,) = tokenizer.encode_sources([row["document"]], config.max_source)
        assert result.weights.shape == (len(result.tokens), len(ids))
        np.testing.assert_allclose(result.weights.sum(axis=1), 1, atol=1e-4)
        assert ((result.copied > 0) & (result.copied < 1)).all()
        assert len(result.tokens) <= config.max_target
