"""A finished run in Python."""

import numpy as np
import pytest

from apps.vision import data
from apps.vision.inference import Classifier
from pipelines.commands import runs
from pipelines.commands.errors import UserError
from pipelines.images import image_files
from pipelines.maps import attention_maps
from tests.apps.commands import read_lines


@pytest.fixture(scope="module")
def rows(classifier):
    return data.read(classifier.config, wanted=("test",))["test"]


def test_predict_takes_rows_paths_and_pixels(trained, classifier, rows):
    lines = read_lines(trained.run / "predictions_test.jsonl")[:9]
    results = classifier.predict(rows[:9])
    assert [result.label for result in results] == [line["predicted"] for line in lines]
    scores = [line["probability"] for line in lines]
    assert [result.score for result in results] == pytest.approx(scores, abs=1e-4)
    assert [result.truth for result in results] == [line["label"] for line in lines]
    truth, label = results[0].truth, results[0].label
    verdict = "correct" if truth == label else "wrong"
    assert results[0].caption == f"True {truth} / predicted {label} ({verdict})"

    (alone,) = classifier.predict(rows[0]["path"])
    assert (alone.image, alone.label, alone.truth) == (rows[0]["path"], results[0].label, None)
    assert alone.caption == f"Predicted {results[0].label}"
    pixels = image_files.load(rows[0]["path"], 8)
    for array in (pixels, pixels[..., 0], np.stack([pixels, pixels])):
        for result in classifier.predict(array):
            assert dict(result.classes) == pytest.approx(dict(alone.classes))
            np.testing.assert_array_equal(result.pixels[..., 0], pixels[..., 0])


def test_alternatives_are_the_next_classes(classifier, rows):
    (result,) = classifier.predict(rows[0])
    pixels = image_files.load(rows[0]["path"], 8, 1)[None].astype("float32")
    (probabilities,) = classifier.scorer().predict_on_batch(pixels)
    best = np.argsort(-probabilities)[:5]
    assert [name for name, _ in result.classes] == [classifier.names[i] for i in best]
    assert [share for _, share in result.classes] == pytest.approx(probabilities[best], rel=1e-5)
    assert (result.label, result.score) == result.classes[0]
    assert result.alternatives == result.classes[1:]


def test_probabilities_of_both_mirror_images_are_averaged(classifier, rows):
    pixels = np.stack([image_files.load(row["path"], 8, 1) for row in rows[:3]]).astype("float32")
    plain = classifier.scorer()
    both = classifier.scorer(test_flip=True).predict_on_batch(pixels)
    expected = plain.predict_on_batch(pixels) + plain.predict_on_batch(pixels[:, :, ::-1].copy())
    np.testing.assert_allclose(both, expected / 2, atol=1e-5)
    np.testing.assert_allclose(both.sum(axis=1), 1, atol=1e-5)
    results = classifier.predict(rows[:3], test_flip=True)
    assert [result.score for result in results] == pytest.approx(both.max(axis=1), rel=1e-5)


def test_an_unreadable_image_is_an_error_or_skipped(classifier, rows, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    inputs = [rows[0]["path"], broken, rows[1]]
    with pytest.raises(UserError, match=r"cannot read .*broken\.png as an image: not in a format"):
        classifier.predict(inputs)
    skipped = []
    results = classifier.predict(inputs, skipped)
    assert [result.image for result in results] == [rows[0]["path"], rows[1]["path"]]
    ((position, error),) = skipped
    assert position == 1 and str(error).startswith(f"cannot read {broken} as an image")
    assert classifier.predict([broken], skipped) == []


def test_attention_is_made_once_and_saves_itself(classifier, rows, tmp_path):
    (result,) = classifier.predict(rows[0])
    attention = result.attention
    assert attention is result.attention
    assert attention.axes == ("layer", "row", "column")
    assert attention.map.words == ("block 1", "block 2", "rollout", "pooling")
    np.testing.assert_allclose(attention.weights.sum(axis=(1, 2)), 1, atol=1e-5)
    np.testing.assert_array_equal(attention.image, image_files.load(rows[0]["path"], 256))
    assert attention.caption == result.caption
    assert attention.classes == result.classes[:3]
    for name in ("map.png", "map.html", "map.npz"):
        attention.save(tmp_path / name)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert result.caption in (tmp_path / "map.html").read_text("utf-8")
    (map_,) = attention_maps.load_npz(tmp_path / "map.npz").values()
    np.testing.assert_array_equal(map_.weights, attention.weights)


def test_evaluate_gives_the_metrics_of_the_report(trained, classifier, rows):
    report = runs.read_json(trained.run / "metrics.json")
    assert classifier.evaluate(rows) == pytest.approx(report["metrics"], abs=1e-6)
    split = data.open_split(rows, classifier.image_size, classifier.channels)
    assert classifier.evaluate(split) == pytest.approx(report["metrics"], abs=1e-6)
    with pytest.raises(UserError, match="no training image has the label 'ten'"):
        classifier.evaluate([{**rows[0], "label": "ten"}])


def test_settings_are_chosen_when_loading(trained):
    assert Classifier.load(trained.run, batch_size=3).config.batch_size == 3
    with pytest.raises(ValueError, match="--batch-size must be at least 1"):
        Classifier.load(trained.run, batch_size=0)
    with pytest.raises(TypeError, match="batchsize"):
        Classifier.load(trained.run, batchsize=3)
