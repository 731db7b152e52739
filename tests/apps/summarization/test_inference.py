"""A finished run in Python."""

import json

import numpy as np
import pytest

from apps.summarization.config import Config
from apps.summarization.inference import Summarizer
from pipelines.decoding.text_generator import GeneratedText
from pipelines.maps import attention_maps
from pipelines.metrics import rouge
from pipelines.text.tokenizer import END
from pipelines.text.word_tokenizer import WordTokenizer
from tests.apps.summarization import tiny


@pytest.fixture(scope="module")
def summarizer(trained):
    return Summarizer.load(trained.run)


@pytest.fixture(scope="module")
def lines(trained):
    """What the test split was summarized to."""
    return tiny.read_lines(trained.run / "summaries_test.jsonl")


def test_predict_takes_texts_and_rows(summarizer, lines):
    results = summarizer.predict(lines)
    assert [result.text for result in results] == [line["generated"] for line in lines]
    assert [result.attention.reference for result in results] == [line["summary"] for line in lines]
    texts = summarizer.predict([f" {line['document']}\n" for line in lines])
    assert [(text.source, text.text) for text in texts] == [
        (line["document"], line["generated"]) for line in lines
    ]
    (alone,) = summarizer.predict({**lines[0], "summary": ["one", "another"]})
    assert (alone.text, alone.attention.reference) == (results[0].text, "one\nanother")
    (alone,) = summarizer.predict(lines[0]["document"])
    assert (alone.text, alone.attention.reference) == (results[0].text, "")


def test_decoding_is_chosen_when_loading_or_asking(trained, summarizer, lines):
    assert summarizer.config.decode == "greedy"
    (greedy,) = summarizer.predict(lines[0]["document"])
    assert greedy.alternatives == ()
    beam = {"decode": "beam", "beams": 3, "max_target": 5, "min_length": 2}
    loaded = Summarizer.load(trained.run, **beam)
    (found,) = loaded.predict(lines[0]["document"])
    assert 2 < len(found.tokens) <= 5 and len(found.alternatives) <= 2
    scores = [found.score, *(alternative.score for alternative in found.alternatives)]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(ValueError, match="--beams must be at least 1"):
        summarizer.predict("Kim saw Lee.", beams=0)


@pytest.mark.slow
def test_sampling_follows_its_seed(trained, lines):
    def sampled(seed):
        settings = {"decode": "sample", "top_p": 1.0, "temperature": 9.0, "seed": seed}
        summarizer = Summarizer.load(trained.run, **settings)
        return summarizer.predict(lines[0]["document"])[0].text

    assert sampled(1) == sampled(1) != sampled(2)


def test_attention_has_the_probabilities_of_copying_and_saves_itself(summarizer, lines, tmp_path):
    result = summarizer.predict(lines)[0]
    attention = result.attention
    assert attention is result.attention
    assert attention.axes == ("word", "source")
    assert attention.source_words == (*lines[0]["document"].split(), "</s>")
    np.testing.assert_allclose(attention.weights.sum(axis=1), 1, atol=1e-3)
    assert attention.copy.shape == (len(attention.map.words),)
    assert (attention.copy > 0).all() and (attention.copy < 1).all()
    attention.save(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text("utf-8")
    assert "document" in page and lines[0]["summary"] in page
    attention.save(tmp_path / "map.npz")
    (map_,) = attention_maps.load_npz(tmp_path / "map.npz").values()
    np.testing.assert_array_equal(map_.weights, attention.weights)


def test_evaluate_gives_the_metrics_of_the_report(trained, summarizer, documents):
    rows = tiny.read_lines(documents / "test.jsonl")
    report = json.loads((trained.run / "metrics.json").read_text())
    assert summarizer.evaluate(rows) == pytest.approx(report["metrics"])
    metrics = summarizer.evaluate(rows, baselines=False)
    leads = {name for name in report["metrics"] if name.startswith("lead_")}
    assert len(leads) == 6 and metrics.keys() == report["metrics"].keys() - leads


@pytest.mark.parametrize("summary", ["a b Kim", ["b", "a b Kim"]])
def test_the_best_of_several_summaries_counts(summary, monkeypatch):
    tokenizer = WordTokenizer.train(["a a b b"], 6)
    summarizer = Summarizer(None, tokenizer, Config())
    result = GeneratedText(
        source="a b Kim",
        text="a b Kim",
        score=0.0,
        truncated=False,
        tokens=np.array([4, 5, 6 + 2, END]),
        weights=np.eye(4),
        copied=np.full(4, 0.9),
        look=None,
    )
    monkeypatch.setattr(summarizer, "predict", lambda rows, **decoding: [result])
    metrics = summarizer.evaluate([{"document": "a b Kim", "summary": summary}], baselines=False)
    assert metrics == {
        **rouge.score(["a b Kim"], [summary]),
        "repetition": 0.0,
        "attention_entropy": pytest.approx(0, abs=1e-5),
        "attention_on_padding": 0.0,
        "attention_on_end": 0.25,
    }
    assert metrics["rouge_l"] == 100
