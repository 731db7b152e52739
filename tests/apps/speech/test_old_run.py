from apps.speech.inference import Recognizer
from tests.apps.old_runs import assert_answers_as_before


def test_an_old_run_answers_as_before(tmp_path):
    assert_answers_as_before("speech", "speech", Recognizer, "inputs", tmp_path)
