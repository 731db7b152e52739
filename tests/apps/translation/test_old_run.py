import pytest

from apps.translation.inference import Translator
from tests.apps.old_runs import assert_answers_as_before


@pytest.mark.parametrize("name", ["translation_transformer", "translation_rnn"])
def test_a_run_of_before_answers_as_before(name, tmp_path):
    assert_answers_as_before("translation", name, Translator, "inputs/texts.txt", tmp_path)
