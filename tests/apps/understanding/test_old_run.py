import pytest

from apps.understanding.inference import Reader
from tests.apps.old_runs import assert_answers_as_before, assert_example_runs


@pytest.mark.parametrize(
    ("task", "inputs"),
    [
        pytest.param("sentiment", "texts.txt", marks=pytest.mark.slow),
        pytest.param("ner", "texts.txt", marks=pytest.mark.slow),
        ("qa", "questions.jsonl"),
    ],
)
def test_a_run_of_before_answers_as_before(task, inputs, tmp_path):
    name = f"understanding_{task}"
    assert_answers_as_before("understanding", name, Reader, f"inputs/{inputs}", tmp_path)


def test_the_example_of_the_class_runs(tmp_path):
    assert_example_runs("understanding", "understanding_sentiment", Reader, tmp_path)
