from apps.captioning.inference import Captioner
from tests.apps.old_runs import assert_answers_as_before


def test_a_run_of_before_answers_as_before(tmp_path):
    assert_answers_as_before("captioning", "captioning", Captioner, "inputs", tmp_path)
