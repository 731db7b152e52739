"""A finished run in Python."""

import json

import numpy as np
import pytest
from PIL import Image

from apps.captioning import data, inference
from apps.captioning.inference import Captioner
from pipelines.commands.errors import UserError
from pipelines.images import image_files
from pipelines.maps import attention_maps
from tests.apps.captioning import tiny
from tests.apps.old_runs import RUNS


@pytest.fixture(scope="module")
def rows(trained, captioner):
    return data.read(captioner.config, ["test"])["test"]


@pytest.fixture(scope="module")
def captions(trained):
    """What evaluation wrote of the test images."""
    return [line["caption"] for line in tiny.read_lines(trained.run / "captions_test.jsonl")]


def texts(results):
    return [result.text for result in results]


def test_predict_takes_rows_paths_and_pixels(captioner, rows, captions):
    results = captioner.predict(rows)
    assert texts(results) == captions
    assert [" ".join(result.words) for result in results] == captions
    paths = [row["path"] for row in rows]
    assert [result.image for result in results] == paths
    assert texts(captioner.predict(map(str, paths))) == captions
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    assert texts(captioner.predict(pixels)) == captions
    for alone in (rows[0], paths[0], pixels[0]):
        (result,) = captioner.predict(alone)
        assert result.text == captions[0]
        assert result.score == pytest.approx(results[0].score, abs=1e-4)
    assert captioner.predict([]) == []


def test_many_images_are_read_a_part_at_a_time(captioner, rows, captions, monkeypatch):
    monkeypatch.setattr(inference, "AT_ONCE", 5)
    sizes = []
    in_memory = data.in_memory
    monkeypatch.setattr(
        data, "in_memory", lambda rows, *rest: (sizes.append(len(rows)), in_memory(rows, *rest))[1]
    )
    assert texts(captioner.predict(rows, decode_batch_size=2)) == captions
    assert sizes == [4, 4]


def test_what_cannot_be_read_is_an_error_or_skipped(captioner, rows, captions, tmp_path):
    (tmp_path / "no.png").write_text("no image")
    inputs = [rows[0], tmp_path / "no.png", rows[1], tmp_path / "none.png"]
    with pytest.raises(UserError, match=r"cannot read .*no\.png as an image: not in a format"):
        captioner.predict(inputs)
    skipped = []
    assert texts(captioner.predict(inputs, skipped)) == captions[:2]
    assert [position for position, _ in skipped] == [1, 3]
    assert str(skipped[1][1]).endswith("none.png as an image: no such file or directory")
    assert captioner.predict(inputs[1], []) == []


def test_decoding_is_chosen_when_loading_or_asking():
    run = RUNS / "captioning"
    image = run / "inputs" / "red_circle_4_4.png"
    loaded = Captioner.load(run, decode="beam", beams=3, length_penalty=0.0)
    (beam,) = loaded.predict(image)
    assert beam.text == "a red circle"
    scores = [beam.score, *(alternative.score for alternative in beam.alternatives)]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert len({beam.text, *(alternative.text for alternative in beam.alternatives)}) == 3
    (greedy,) = loaded.predict(image, decode="greedy")
    assert (greedy.text, greedy.alternatives) == ("a red circle", ())
    with pytest.raises(ValueError, match="--beams must be at least 1"):
        loaded.predict(image, beams=0)
    with pytest.raises(TypeError, match="beam_width"):
        loaded.predict(image, beam_width=3)


def test_sampling_follows_its_seed(captioner, rows):
    def sampled(seed):
        fresh = Captioner(captioner.model, captioner.tokenizer, captioner.config)
        options = {"decode": "sample", "top_p": 1.0, "temperature": 5.0, "seed": seed}
        return texts(fresh.predict(rows, **options))

    assert sampled(1) == sampled(1) != sampled(2)


def test_attention_is_made_once_and_saves_itself(captioner, rows, tmp_path, monkeypatch):
    (result,) = captioner.predict(rows[0])
    read = []
    load = image_files.load
    monkeypatch.setattr(
        image_files, "load", lambda source, *rest: (read.append(source), load(source, *rest))[1]
    )
    attention = result.attention
    assert attention is result.attention
    assert read == [rows[0]["path"]]
    assert attention.axes == ("word", "row", "column")
    assert attention.weights.shape == (len(result.words), *tiny.GRID)
    np.testing.assert_allclose(attention.weights.sum(axis=(1, 2)), 1, atol=1e-5)
    np.testing.assert_array_equal(attention.image, load(rows[0]["path"], 256))
    assert attention.references == tuple(rows[0]["captions"])
    for name in ("map.png", "map.html", "map.npz"):
        attention.save(tmp_path / name)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert rows[0]["captions"][0] in (tmp_path / "map.html").read_text("utf-8")
    (map_,) = attention_maps.load_npz(tmp_path / "map.npz").values()
    np.testing.assert_array_equal(map_.weights, attention.weights)


def test_evaluate_gives_the_metrics_of_the_report(trained, captioner, rows):
    report = json.loads((trained.run / "metrics.json").read_text())
    assert captioner.evaluate(rows) == pytest.approx(report["metrics"])
    split = data.open_split(rows, captioner.config)
    assert captioner.evaluate(split) == pytest.approx(report["metrics"])
