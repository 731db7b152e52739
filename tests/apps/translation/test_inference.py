"""A finished run in Python."""

import numpy as np
import pytest

from apps.translation.inference import Translator
from pipelines.maps import attention_maps
from pipelines.metrics import translation_scores
from tests.apps.old_runs import RUNS
from tests.apps.translation import tiny


@pytest.fixture(scope="module")
def translator(trained):
    return Translator.load(trained.run)


def test_predict_takes_texts_and_rows(trained, translator):
    lines = tiny.read_lines(trained.run / "translations_test.jsonl")
    rows = [{"source": line["source"], "target": line["target"]} for line in lines]
    results = translator.predict(rows)
    assert [result.text for result in results] == [line["translation"] for line in lines]
    texts = translator.predict([row["source"] for row in rows])
    assert [result.text for result in texts] == [line["translation"] for line in lines]
    (alone,) = translator.predict(rows[0]["source"])
    assert (alone.source, alone.text) == (rows[0]["source"], results[0].text)
    assert [result.attention.reference for result in results] == [row["target"] for row in rows]
    assert [result.alternatives for result in results] == 7 * [()]


def test_decoding_is_chosen_when_loading_or_asking():
    run = RUNS / "translation_transformer"
    loaded = Translator.load(run, decode="beam", beams=3, length_penalty=0.0)
    (beam,) = loaded.predict("three dogs")
    assert beam.text == "tres perros"
    scores = [beam.score, *(alternative.score for alternative in beam.alternatives)]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert len({beam.text, *(alternative.text for alternative in beam.alternatives)}) == 3
    (greedy,) = loaded.predict("three dogs", decode="greedy")
    assert (greedy.text, greedy.alternatives) == ("tres perros", ())
    with pytest.raises(ValueError, match="--beams must be at least 1"):
        loaded.predict("three dogs", beams=0)
    with pytest.raises(TypeError, match="beam_width"):
        loaded.predict("three dogs", beam_width=3)


def test_what_is_empty_or_too_long(translator):
    empty, long = translator.predict(["  ", "word " * 1000])
    assert (empty.text, empty.truncated) == ("", False)
    assert long.truncated and long.weights.shape[1] == 64


def test_attention_is_made_once_and_saves_itself(translator, tmp_path):
    (result,) = translator.predict("17 May 1999")
    attention = result.attention
    assert attention is result.attention
    assert attention.axes == ("word", "source")
    assert attention.source_words == ("17", "May", "1999", "</s>")
    np.testing.assert_allclose(attention.weights.sum(axis=1), 1, atol=1e-5)
    for name in ("map.png", "map.html", "map.npz"):
        attention.save(tmp_path / name)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "1999" in (tmp_path / "map.html").read_text("utf-8")
    (map_,) = attention_maps.load_npz(tmp_path / "map.npz").values()
    np.testing.assert_array_equal(map_.weights, attention.weights)


def test_evaluate_gives_the_metrics_of_the_report(trained, translator, dates_folder):
    import json

    rows = tiny.read_lines(dates_folder / "test.jsonl")
    report = json.loads((trained.run / "metrics.json").read_text())
    assert translator.evaluate(rows) == pytest.approx(report["metrics"])


def test_evaluate_scores_by_the_tokenizer_it_is_given(translator, dates_folder):
    rows = tiny.read_lines(dates_folder / "test.jsonl")[:3]
    texts = [result.text for result in translator.predict(rows)]
    # A target that 13a reads as one word, and `char` as many: equal but for its last letter.
    rows = [{**row, "target": f"{text}x" * 5} for row, text in zip(rows, texts, strict=True)]
    references = [row["target"] for row in rows]
    for tokenize in ("13a", "char"):
        expected = translation_scores.score(texts, references, tokenize)["bleu"]
        assert translator.evaluate(rows, bleu_tokenize=tokenize)["bleu"] == expected
    assert expected > 0
