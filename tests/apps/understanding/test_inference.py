"""Finished runs in Python."""

import functools
import json

import numpy as np
import pytest

from apps.understanding import inference
from apps.understanding.inference import Reader
from pipelines.commands.cluster import processes
from pipelines.commands.cluster.places import Place
from pipelines.maps import attention_maps
from tests.apps.understanding import tiny

each_task = pytest.mark.parametrize("task", tiny.TASKS)


@pytest.fixture(scope="module")
def reader_of(trained):
    return functools.cache(lambda task: Reader.load(trained(task).run))


@pytest.fixture
def lines_of(trained):
    """What the evaluation of a run's training wrote: rows, and what was found."""

    def lines_of(task):
        lines = tiny.read_lines(trained(task).run / "predictions_test.jsonl")
        return [{k: v for k, v in line.items() if k != "found"} for line in lines], [
            line["found"] for line in lines
        ]

    return lines_of


@pytest.mark.parametrize(
    "task", ["sentiment", *(pytest.param(t, marks=pytest.mark.slow) for t in ("ner", "qa"))]
)
def test_rows_are_read_as_in_the_evaluation(reader_of, lines_of, task):
    reader, (rows, found) = reader_of(task), lines_of(task)
    assert [result.found for result in reader.predict(rows)] == found
    (alone,) = reader.predict(rows[0])
    assert alone.found == found[0] and not alone.truncated
    assert reader.predict([]) == []


@each_task
def test_several_processes_share_the_rows(task, reader_of, lines_of, monkeypatch):
    reader, (rows, _) = reader_of(task), lines_of(task)
    whole, asked = [], []
    outputs = reader._outputs

    def noted(model, examples):
        asked.append(len(examples))
        return outputs(model, examples)

    monkeypatch.setattr(reader, "_outputs", noted)
    divide = processes.divide
    monkeypatch.setattr(processes, "divide", lambda *args: whole.extend(divide(*args)) or whole)
    found = [result.found for result in reader.predict(rows)]
    monkeypatch.setattr(processes, "divide", divide)
    monkeypatch.setattr(processes._job, "place", Place("host:1", 2, 1))
    monkeypatch.setattr(processes, "gather", lambda own: [whole[::2], own])
    assert [result.found for result in reader.predict(rows)] == found
    assert asked == [len(whole), len(whole) // 2]


def test_the_label_of_a_text_and_how_probable_the_others_are(reader_of, lines_of):
    reader, (rows, found) = reader_of("sentiment"), lines_of("sentiment")
    (result,) = reader.predict(f" {rows[0]['text']}\n")
    assert (result.label, result.text) == (found[0]["label"], rows[0]["text"])
    assert result.score == pytest.approx(found[0]["probability"], abs=1e-4)
    (other,) = result.alternatives
    assert {result.label, other.text} == {"good", "bad"} == set(result.probabilities)
    assert result.score + other.score == pytest.approx(1) and other.score < result.score
    assert result.line == f"{result.label}\t{result.score:.3f}"


def test_a_long_text_says_that_it_was_cut(reader_of):
    short, long = reader_of("sentiment").predict(["a film", "word " * 1000])
    assert (short.truncated, long.truncated) == (False, True)
    assert len(long.attention.words) == 1000
    np.testing.assert_allclose(long.attention.weights.sum(), 1, atol=1e-5)


def test_the_words_of_a_sentence_are_tagged(reader_of):
    one, nothing = reader_of("ner").predict(["Ann Bob lives in Łódź, now.", " "])
    assert one.tokens == ["Ann", "Bob", "lives", "in", "Łódź", ",", "now", "."]
    assert len(one.tags) == 8 and one.score is None and one.alternatives == ()
    for entity in one.entities:
        assert entity.text == " ".join(one.tokens[entity.start : entity.end])
        assert one.tags[entity.start][2:] == entity.type in ("person", "town")
    assert (nothing.tags, nothing.entities, nothing.line) == ([], [], "")
    assert nothing.attention.empty


def test_of_a_long_sentence_the_map_shows_the_beginning(reader_of):
    (result,) = reader_of("ner").predict(" ".join(["Ann lives in Rome ."] * 70))
    assert len(result.tags) == len(result.tokens) == 350
    assert result.attention.weights.shape == (300, 300)
    assert result.attention.source_words == tuple(result.tokens[:300])


def test_answers_are_of_the_context_and_no_longer_than_asked_for(trained, reader_of):
    reader = reader_of("qa")
    row = {"context": "Ann is in Rome .  Bob is in 漢字 .", "question": "Where is Bob ?"}
    (result,) = reader.predict(row)
    assert result.answer == row["context"][result.start : result.end] != ""
    loaded = Reader.load(trained("qa").run, max_answer=1)
    for (short,) in (reader.predict(row, max_answer=1), loaded.predict(row)):
        tokens = reader.tokenizer.encode(row["context"])[1]
        assert (short.start, short.end) in tokens
        assert short.score <= result.score + 1e-5
    (empty,) = reader.predict({"context": " ", "question": "Where?"})
    assert (empty.answer, empty.start, empty.end, empty.score) == ("", 0, 0, None)
    with pytest.raises(TypeError, match="A question comes as a row"):
        reader.predict("Where is Bob ?")
    with pytest.raises(ValueError, match="--max-answer must be at least 1"):
        reader.predict(row, max_answer=0)
    with pytest.raises(TypeError, match="longest"):
        reader.predict(row, longest=3)


@each_task
def test_attention_is_that_of_all_together_and_saves_itself(reader_of, lines_of, tmp_path, task):
    reader, (rows, _) = reader_of(task), lines_of(task)
    results = reader.predict(rows[:2])
    together = reader.look(results)
    attention = results[0].attention
    assert attention is results[0].attention
    assert attention.axes == (("word",) if task == "sentiment" else ("word", "source"))
    np.testing.assert_allclose(attention.weights.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(attention.weights, together[0].weights, atol=1e-5)
    for name in ("map.png", "map.html", "map.npz"):
        attention.save(tmp_path / name)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    (map_,) = attention_maps.load_npz(tmp_path / "map.npz").values()
    np.testing.assert_array_equal(map_.weights.reshape(attention.weights.shape), attention.weights)


@each_task
def test_evaluate_gives_the_metrics_of_the_report(trained, reader_of, folders, task, monkeypatch):
    rows, training = (tiny.read_lines(folders[task] / f"{s}.jsonl") for s in ("test", "train"))
    metrics = json.loads((trained(task).run / "metrics.json").read_text())["metrics"]
    assert reader_of(task).evaluate(rows, training=training) == pytest.approx(metrics)
    metrics.pop("dictionary_span_f1", None)
    monkeypatch.setattr(inference, "ROWS_AT_ONCE", 3)
    assert reader_of(task).evaluate(rows) == pytest.approx(metrics)
