from apps.summarization.inference import Summarizer
from tests.apps.old_runs import assert_answers_as_before, assert_example_runs


def test_a_run_of_before_answers_as_before(tmp_path):
    run = ("summarization", "summarization")
    assert_answers_as_before(*run, Summarizer, "inputs/documents.jsonl", tmp_path)


def test_the_example_of_the_class_runs(tmp_path):
    assert_example_runs("summarization", "summarization", Summarizer, tmp_path)
