"""Every task is learnt by heart, and attention tells what decided."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.understanding import data, model
from apps.understanding.config import Config
from apps.understanding.inference import Reader
from apps.understanding.tasks.answer_finder import _with_tokens
from apps.understanding.tasks.registry import task_of
from pipelines.training import optimizer
from tests.apps.understanding import tiny

BEST = {"sentiment": ["accuracy", "macro_f1"], "ner": ["span_f1"], "qa": ["exact_match", "f1"]}


def learn(task, steps=80, learning_rate=0.02, **flags):
    """Ten examples, all in one batch; the reader of them, and the rows."""
    keras.utils.set_random_seed(0)
    config = Config(task=task, **{**tiny.MODEL, **flags})
    rows = tiny.rows(task, 10, seed=3)
    tokenizer = data.make_tokenizer(rows, config)
    classes = task_of(config).classes(rows)
    examples, _ = task_of(config).encode(rows, tokenizer, classes)
    network = model.build(config, tokenizer, classes)
    network.compile(optimizer.make_optimizer(learning_rate, steps, 5))
    network.optimizer.build(network.trainable_variables)  # Else the step is traced twice.
    features = examples.pad(range(len(examples)))
    labels = features.pop("labels")
    batches = tf.data.Dataset.from_tensors((features, labels)).repeat()
    network.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False)
    return Reader(network, tokenizer, classes, config), rows


@functools.cache
def learnt(task):
    """The same for the tests that share it: tracing takes longer than learning."""
    return learn(task)


def attention_of(reader, rows):
    """The weights between the tokens of rows, before they are gathered into words."""
    encoded = reader._encode(rows, reader.task)
    return reader.task.look(rows, encoded, reader._outputs(reader._looking, encoded[0]))


def entropy(weights):
    """The mean entropy of rows of weights, as a share of that of even ones."""
    weights = np.maximum(weights, 1e-20)
    return float(np.mean(-(weights * np.log(weights)).sum(-1)) / np.log(weights.shape[-1]))


@pytest.mark.parametrize(
    "task",
    [*(pytest.param(task, marks=pytest.mark.slow) for task in ("sentiment", "ner")), "qa"],
)
def test_it_learns_ten_examples_by_heart(task):
    reader, rows = learnt(task)
    metrics = reader.evaluate(rows)
    assert [metrics[name] for name in BEST[task]] == [1] * len(BEST[task])
    looked = [np.atleast_2d(weights) for weights in attention_of(reader, rows)]
    for weights in looked:
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert np.mean([entropy(weights) for weights in looked]) < 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "flags"),
    [
        ("sentiment", {"model": "transformer"}),
        ("sentiment", {"multi_label": True}),
        ("ner", {"crf": False}),
        ("ner", {"model": "transformer", "attention": "linear"}),
        ("qa", {"model": "transformer"}),
        ("qa", {"matching": "additive"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_other_models_learn_too(task, flags):
    reader, rows = learn(task, steps=150, learning_rate=0.01, **flags)
    if flags.get("multi_label"):
        rows = [{**row, "label": [row["label"]]} for row in rows]
    assert reader.evaluate(rows)[reader.task.MONITOR] == 1


def test_pooling_looks_at_the_word_that_decides():
    reader, rows = learnt("sentiment")
    shares = []
    for row, weights in zip(rows, attention_of(reader, rows), strict=True):
        spans = reader.tokenizer.encode(row["text"])[1]
        start = row["text"].index(row["text"].split()[-2])
        telling = sum(w for w, (_, end) in zip(weights, spans, strict=True) if end > start)
        shares.append(telling)
    # Even weights would leave it a fifth.
    assert np.mean(shares) > 0.4


def test_words_begin_with_their_vectors(tmp_path, capsys):
    words = ["soup", "lovely", "awful", "the", "unseen"]
    vectors = np.arange(25).reshape(5, 5) / 7
    lines = [" ".join([word, *map(str, v)]) for word, v in zip(words, vectors, strict=True)]
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    config = Config(**{**tiny.MODEL, "embedding_dim": 5, "vectors": str(path)})
    tokenizer = data.make_tokenizer(tiny.rows("sentiment", 10), config)
    network = model.build(config, tokenizer, ["bad", "good"])
    table = keras.ops.convert_to_numpy(network.encoder.embedding.embeddings)
    ids = tokenizer.encode(" ".join(words))[0]
    assert len(set(ids)) == 5 and network.encoder.shape_embedding is not None
    scale = table[ids].std() / vectors.std()
    np.testing.assert_allclose(table[ids], scale * vectors, rtol=1e-4)
    said = f"5 of {len(tokenizer.vocabulary)} words begin with a vector of {path}\n"
    assert capsys.readouterr().out == said


@pytest.mark.slow
def test_without_attention_the_context_is_blind_to_the_words_of_the_question():
    reader, rows = learn("qa", steps=1, question_attention=False)
    examples, _ = reader.task.encode(rows[:1], reader.tokenizer, [])
    features = examples.pad([0])
    features.pop("labels")
    tokens, asked = features["tokens"], features["question"].astype("bool")
    other = {**features, "tokens": tokens.copy()}
    other["tokens"][0, 1 : 1 + asked.sum()] = tokens[0, 1]
    arguments = (asked, tokens != reader.tokenizer.pad, False)
    states, mean = reader.model._read_apart(features, *arguments)
    blind, changed = reader.model._read_apart(other, *arguments)
    np.testing.assert_array_equal(np.asarray(states), np.asarray(blind))
    assert np.abs(np.asarray(mean) - np.asarray(changed)).max() > 1e-4


def test_tokens_that_are_taken_away_have_no_shape():
    inputs = {"tokens": np.array([[1, 5, 2]]), "shapes": np.array([[0, 3, 4]]), "segments": 7}
    changed = _with_tokens(inputs, np.array([[1, 2, 2]]))
    np.testing.assert_array_equal(changed["tokens"], [[1, 2, 2]])
    np.testing.assert_array_equal(changed["shapes"], [[0, 0, 4]])
    assert changed["segments"] == 7 and inputs["tokens"][0, 1] == 5


def test_a_long_sentence_is_tagged_in_pieces():
    reader, rows = learnt("ner")
    long = {"tokens": [token for row in rows * 2 for token in row["tokens"]]}
    assert reader.model.field.allowed_starts == [True, True, False, True, False]
    examples, pieces = reader.task.encode([long], reader.tokenizer, reader.classes)
    assert len(examples) > 1 and examples.lengths.max() <= reader.config.max_length
    assert [begin for _, begin, _ in pieces][1:] == [stop for _, _, stop in pieces][:-1]
    (found,) = reader.predict(long)
    expected = [tag for row in rows * 2 for tag in row["tags"]]
    assert len(found.tags) == len(expected)
    assert np.mean([a == b for a, b in zip(found.tags, expected, strict=True)]) > 0.8
    (looked,) = attention_of(reader, [long])
    np.testing.assert_allclose(looked.sum(-1), 1, atol=1e-5)


def test_a_context_of_many_windows_keeps_answers_exact():
    reader, rows = learnt("qa")
    row = {**rows[0], "context": ("é 漢字 🙂 " * 700) + rows[0]["context"]}
    (found,) = reader.predict(row)
    assert found.answer == row["context"][found.start : found.end] != ""


@pytest.mark.parametrize("task", tiny.TASKS)
def test_backends_train(task):
    reader, rows = learn(task, steps=3)
    results = reader.predict(rows[:3])
    assert len(results) == 3
    assert np.isfinite(results[0].attention.weights).all()
