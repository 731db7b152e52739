from apps.captioning.inference import Captioner
from tests.apps.old_runs import assert_answers_as_before, assert_example_runs


def test_a_run_of_before_answers_as_before(tmp_path):
    assert_answers_as_before("captioning", "captioning", Captioner, "inputs", tmp_path)


def test_the_example_of_the_class_runs(tmp_path):
    assert_example_runs("captioning", "captioning", Captioner, tmp_path)
