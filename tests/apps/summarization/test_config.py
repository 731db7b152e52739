import json
from dataclasses import asdict, fields, replace

import pytest

from apps.summarization.config import PRESETS, Config, Evaluation, Prediction
from pipelines.commands import flags
from pipelines.metrics import rouge
from tests.apps.contract import Help


class TestHelp(Help):
    application = "summarization"


def test_the_monitors_are_what_rouge_scores():
    choices = {field.name: field.type for field in fields(Config)}
    assert set(choices["monitor"].__args__) == rouge.score(["a"], ["a"]).keys()


def test_a_configuration_survives_json():
    config = Config(attention="luong_general", model="rnn", vectors="a", name="b")
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_preset_is_overridden_by_flags():
    words = ["--preset", "aeslc", "--epochs", "2", "--no-coverage"]
    config = flags.parse(Config, words, presets=PRESETS)
    assert config == replace(PRESETS["aeslc"], epochs=2, coverage=False)
    assert (config.model, config.mechanism) == ("rnn", "additive")


@pytest.mark.parametrize(
    ("settings", "covers"),
    [
        ({}, True),
        ({"copy": False}, True),
        ({"coverage": False}, False),
        ({"coverage_epochs": 0}, False),
        ({"coverage_weight": 0.0}, False),
    ],
)
def test_whether_there_is_a_stage_with_coverage(settings, covers):
    assert Config(**settings).covers == covers


def test_vectors_are_of_words():
    with pytest.raises(ValueError, match="--vectors are of words: they go with --tokenizer words"):
        Config(vectors="a", tokenizer="subwords")


def test_decoding_replaces_what_it_is_given():
    config = Config(dataset="a", beams=3, seed=7, no_repeat_ngram=3)
    decoding = Prediction(run="x", decode="sample", top_k=4, no_repeat_ngram=0)
    expected = {**asdict(config), "decode": "sample", "top_k": 4, "no_repeat_ngram": 0}
    assert asdict(flags.override(config, decoding)) == expected
    assert flags.override(config, Evaluation(dataset="b")) == replace(config, dataset="b")
