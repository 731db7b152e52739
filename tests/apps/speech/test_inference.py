"""A finished run in Python."""

import json

import numpy as np
import pytest

from apps.speech import data
from apps.speech.inference import Recognizer
from pipelines.audio import audio_files
from pipelines.audio.log_mel import log_mel
from pipelines.maps import attention_maps
from tests.apps.speech import tiny


@pytest.fixture(scope="module")
def lines(trained):
    """The transcripts of the test split."""
    return tiny.read_lines(trained.run / "transcripts_test.jsonl")


def test_predict_takes_paths_arrays_and_rows(recognizer, lines):
    results = recognizer.predict([line["file_name"] for line in lines])
    assert [result.text for result in results] == [line["transcript"] for line in lines]
    for result, line in zip(results, lines, strict=True):
        words = [[word, round(start, 2), round(end, 2)] for word, start, end in result.words]
        assert (result.file_name, words) == (line["file_name"], line["words"])
    samples = audio_files.read(lines[0]["file_name"])
    for alone in (lines[0]["file_name"], samples, {"file_name": lines[0]["file_name"]}):
        (result,) = recognizer.predict(alone)
        assert result.text == results[0].text
        assert result.score == pytest.approx(results[0].score, rel=1e-4)
    assert recognizer.predict([]) == []


def test_decoding_is_chosen_when_loading_or_asking(trained, recognizer, lines):
    path = lines[0]["file_name"]
    assert recognizer.config.method == "joint"
    (result,) = recognizer.predict(path)
    assert len(result.alternatives) <= 1
    (beam,) = recognizer.predict(path, decode="ctc_beam", beams=3)
    scores = [beam.score, *(alternative.score for alternative in beam.alternatives)]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert len({beam.text, *(alternative.text for alternative in beam.alternatives)}) == 3
    loaded = Recognizer.load(trained.run, decode="ctc_beam", beams=3)
    assert loaded.predict(path)[0].text == beam.text
    (greedy,) = recognizer.predict(path, decode="ctc")
    assert greedy.alternatives == () and greedy.score <= beam.score
    assert greedy.heard.weights is None and beam.heard.log_probs is not None
    with pytest.raises(ValueError, match="--beams must be at least 1"):
        recognizer.predict(path, beams=0)
    with pytest.raises(TypeError, match="beam_width"):
        recognizer.predict(path, beam_width=3)


def test_the_language_model_counts_where_it_is_asked_for(trained, recognizer, lines):
    paths = [line["file_name"] for line in lines]
    beam = {"decode": "ctc_beam", "beams": 2}
    plain = recognizer.predict(paths, **beam)
    helped = recognizer.predict(paths, **beam, language_model_weight=3.0)
    assert [result.score for result in plain] != [result.score for result in helped]
    loaded = Recognizer.load(trained.run, **beam)
    assert "language_model" not in vars(loaded)
    assert loaded.language_model.order == 3


def test_attention_is_made_once_and_saves_itself(recognizer, lines, tmp_path, monkeypatch):
    row = {"file_name": lines[0]["file_name"], "text": lines[0]["text"]}
    samples = audio_files.read(row["file_name"])
    read = []
    monkeypatch.setattr(audio_files, "read", lambda file, **_: read.append(file) or samples)
    (result,) = recognizer.predict(row, decode="attention")
    attention = result.attention
    assert attention is result.attention and read == [row["file_name"]]
    assert (attention.reference, attention.name) == (row["text"], "test_0.flac")
    np.testing.assert_array_equal(attention.sound, samples)
    np.testing.assert_array_equal(attention.log_mel, log_mel(samples))
    np.testing.assert_allclose(attention.weights.sum(axis=1), 1, atol=1e-5)
    assert attention.axes == ("token", "time")
    for name in ("map.png", "map.html", "map.npz"):
        attention.save(tmp_path / name)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "test_0.flac" in (tmp_path / "map.html").read_text("utf-8")
    (map_,) = attention_maps.load_npz(tmp_path / "map.npz").values()
    assert list(map_.words) == result.text.split()


def test_evaluate_gives_the_metrics_of_the_report(trained, recognizer, tones_folder):
    report = json.loads((trained.run / "metrics.json").read_text())
    rows = data.read(recognizer.config, ("test",))["test"]
    assert recognizer.evaluate(rows) == pytest.approx(report["metrics"])
    quick = recognizer.evaluate(data.listen(rows, recognizer.config), **recognizer.config.quick)
    assert quick.keys() == report["metrics"].keys()
    assert recognizer.evaluate(rows, decode="ctc").keys() == {"wer", "cer", "sentence_error_rate"}


def test_case_and_punctuation_count_unless_it_is_said(recognizer, lines):
    paths = [line["file_name"] for line in lines]
    results = recognizer.predict(paths, decode="ctc_beam", beams=2)
    rows = [
        {"file_name": path, "text": f"{result.text.upper()}!"}
        for path, result in zip(paths, results, strict=True)
        if result.text
    ]
    assert rows
    decoding = {"decode": "ctc_beam", "beams": 2}
    assert recognizer.evaluate(rows, **decoding)["wer"] >= 1
    plain = [{**row, "text": row["text"][:-1].lower()} for row in rows]
    expected = recognizer.evaluate(plain, **decoding)["wer"]
    assert recognizer.evaluate(rows, normalize=True, **decoding)["wer"] == expected < 0.2
    # The page marks what was scored as wrong.
    for normalize in (False, True):
        for result in recognizer.predict(rows, normalize=normalize, **decoding):
            instead, missed = result.attention.differences
            assert all(missed) != normalize and (set(instead) == {None}) == normalize
