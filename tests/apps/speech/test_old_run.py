from apps.speech.inference import Recognizer
from tests.apps.old_runs import assert_answers_as_before, assert_example_runs


def test_an_old_run_answers_as_before(tmp_path):
    assert_answers_as_before("speech", "speech", Recognizer, "inputs", tmp_path)


def test_the_example_of_the_class_runs(tmp_path):
    assert_example_runs("speech", "speech", Recognizer, tmp_path)
