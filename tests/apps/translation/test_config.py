import inspect
import json
from dataclasses import asdict, fields, replace

import pytest

import layers
from apps.translation.config import PRESETS, Config, Evaluation, Prediction
from pipelines.commands import flags
from pipelines.commands.mechanisms import MECHANISMS
from pipelines.metrics.translation_scores import TOKENIZERS
from tests.apps.contract import Help


class TestHelp(Help):
    application = "translation"


def test_the_choices_are_those_of_layers_and_scorers():
    assert set(MECHANISMS) < set(layers.mechanisms())
    choices = {field.name: field.type for field in fields(Config)}
    assert choices["bleu_tokenize"].__args__ == TOKENIZERS
    taken = inspect.signature(layers.encoder_decoder).parameters.keys()
    assert Config().architecture.keys() == taken - {"vocabulary_size", "copies", "covers", "remat"}


def test_a_configuration_survives_json():
    config = Config(attention="luong_general", source_file="a", target_file="b", name="c")
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_preset_is_overridden_by_flags():
    words = ["--preset", "multi30k-rnn", "--epochs", "2", "--source-file", "a"]
    config = flags.parse(Config, [*words, "--target-file", "b"], presets=PRESETS)
    expected = replace(PRESETS["multi30k-rnn"], epochs=2, source_file="a", target_file="b")
    assert config == expected
    assert (config.model, config.mechanism) == ("rnn", "additive")


def test_files_to_test_on_go_with_that_split():
    with pytest.raises(ValueError, match="--test-source-file goes with --split test"):
        Evaluation(split="validation", test_source_file="a", test_target_file="b")


def test_the_files_of_each_split():
    assert Config().files == dict.fromkeys(("train", "validation", "test"), (None, None))
    config = Config(source_file="a", target_file="b", test_source_file="c", test_target_file="d")
    assert config.files == {"train": ("a", "b"), "validation": (None, None), "test": ("c", "d")}


def test_decoding_replaces_what_it_is_given():
    config = Config(dataset="a", beams=3, decode="beam", seed=7, data_dir="c")
    decoding = Prediction(run="x", decode="sample", top_k=4, max_target=9)
    expected = {**asdict(config), "decode": "sample", "top_k": 4, "max_target": 9}
    assert asdict(flags.override(config, decoding)) == expected
    files = {"test_source_file": "d", "test_target_file": "e"}
    assert flags.override(config, Evaluation(**files)) == replace(config, **files)


def test_files_and_languages_belong_to_one_data_set():
    files = [
        f"{split}{side}_file"
        for split in ("", "validation_", "test_")
        for side in ("source", "target")
    ]
    config = Config(epochs=3, **{name: name for name in files})
    assert config.without_data() == Config(epochs=3)
    config = Config(dataset="tfds:a", source_language="de", target_language="en")
    assert config.without_data() == Config(dataset="tfds:a")
