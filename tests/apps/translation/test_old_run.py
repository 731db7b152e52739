import pytest

from apps.translation.inference import Translator
from tests.apps.old_runs import assert_answers_as_before, assert_example_runs


@pytest.mark.parametrize("name", ["translation_transformer", "translation_rnn"])
def test_a_run_of_before_answers_as_before(name, tmp_path):
    assert_answers_as_before("translation", name, Translator, "inputs/texts.txt", tmp_path)


def test_the_example_of_the_class_runs(tmp_path):
    assert_example_runs("translation", "translation_transformer", Translator, tmp_path)
