import pytest

from apps.vision.inference import Classifier
from tests.apps.old_runs import assert_answers_as_before, assert_example_runs, copied


def test_a_run_of_before_answers_as_before(tmp_path):
    assert_answers_as_before("vision", "vision", Classifier, "inputs", tmp_path / "a")
    run, expected = copied("vision", tmp_path / "b")
    answers = expected["answers"]
    files = [run / "inputs" / answer["file_name"] for answer in answers]
    for result, answer in zip(Classifier.load(run).predict(files), answers, strict=True):
        assert dict(result.classes) == pytest.approx(answer["probabilities"], abs=1e-5)


def test_the_example_of_the_class_runs(tmp_path):
    assert_example_runs("vision", "vision", Classifier, tmp_path)
