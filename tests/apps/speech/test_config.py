"""Flags, what they resolve to, and that --help needs no TensorFlow."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from apps.speech.config import PRESETS, Config, Evaluation, Prediction, configure, find, pretrained
from pipelines.commands import flags, runs
from pipelines.commands.errors import UserError
from tests.apps.contract import Help


class TestHelp(Help):
    application = "speech"


def test_a_configuration_survives_json():
    config = Config(decoder="rnn", attention="luong_general", name="c", max_train=3)
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_preset_is_overridden_by_flags():
    def parse(*words):
        return flags.parse(Config, words, presets=PRESETS, open_preset=pretrained)

    assert parse("--preset", "an4", "--epochs", "2") == replace(
        PRESETS["an4"], preset="an4", epochs=2
    )
    assert parse("--preset", "whisper_tiny_en", "--epochs", "2") == replace(
        pretrained("whisper_tiny_en"), epochs=2
    )


def test_decoding_replaces_what_it_is_given():
    config = Config(dataset="a", beams=3, data_dir="c")
    given = Prediction(run="x", input="y", decode="ctc", beams=4, normalize=True)
    expected = replace(config, decode="ctc", beams=4, normalize=True)
    assert flags.override(config, given) == expected
    assert flags.override(config, Evaluation(dataset="b")) == replace(config, dataset="b")


@pytest.mark.parametrize(("flag", "chosen"), [("--normalize", True), ("--no-normalize", False)])
def test_error_rates_are_normalized_as_the_flag_says(flag, chosen, tmp_path):
    preset = ["--preset", "whisper_tiny_en"]
    assert flags.parse(Config, [flag]).normalize is chosen
    trained = flags.parse(Config, [*preset, flag], presets=PRESETS, open_preset=pretrained)
    assert trained.normalize is chosen
    for argv in ([flag, *preset], [*preset, flag], [*preset, f"--normalize={chosen}"]):
        assert configure(flags.parse(Evaluation, argv)).normalize is chosen
    (tmp_path / "model.keras").touch()
    for before in (True, False):
        runs.write_json(tmp_path / "config.json", asdict(Config(normalize=before)))
        found = configure(flags.parse(Evaluation, ["--run", str(tmp_path), flag]))
        assert found.normalize is chosen
        assert configure(flags.parse(Evaluation, ["--run", str(tmp_path)])).normalize is before


def test_the_attention_follows_the_decoder():
    assert Config().mechanism == "multi_head"
    assert Config(decoder="rnn").mechanism == "location_sensitive"
    assert Config(decoder="rnn", attention="additive").mechanism == "additive"


def test_after_an_epoch_there_is_no_beam():
    for given, quick in [
        ({}, {"beams": 1}),
        ({"decode": "ctc_beam"}, {"beams": 1, "decode": "ctc", "language_model_weight": 0.0}),
    ]:
        config = Config(**given)
        assert config.quick == quick
        assert replace(config, **quick).beams == 1
    assert replace(Config(decode="ctc_beam", language_model_weight=0.5), **quick).method == "ctc"


def test_decoding_is_by_what_a_model_has():
    assert Config().method == "joint"
    assert Config(ctc_weight=0.0).method == "attention"
    assert Config(decoder="none").method == "ctc"
    assert Config(decode="ctc").method == "ctc"
    assert Config(decoder="none", decode="ctc_beam").method == "ctc_beam"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoder": "none", "ctc_weight": 0.0}, "--decoder none is CTC alone"),
        ({"ctc_weight": 1.0}, "--ctc-weight 1 leaves nothing to the decoder"),
        ({"ctc_weight": 0.0, "decode": "joint"}, "--decode joint goes with ctc, which this model"),
        ({"ctc_weight": 0.0, "decode": "ctc_beam"}, "it has attention alone"),
        ({"decoder": "none", "decode": "attention"}, "--decode attention goes with attention"),
        ({"language_model_weight": 0.5}, "goes with --decode ctc_beam"),
        ({"attention": "local"}, "--attention local is self-attention"),
        ({"decoder": "rnn", "attention": "multi_head"}, "--attention multi_head has heads"),
        ({"attention": "location_sensitive"}, "goes with --decoder rnn"),
        ({"position": "rotary"}, "--position rotary needs attention"),
        (
            {"encoder": "conformer", "encoder_attention": "linear", "position": "alibi"},
            "--position alibi needs",
        ),
        (
            {"encoder": "transformer", "position": "rotary", "dim": 12},
            "--position rotary turns pairs: --dim 12 / --num-heads 4 must be even",
        ),
        ({"encoder_attention": "local"}, "which --encoder lstm lacks"),
        ({"dim": 10}, "--dim 10 must be even, and a multiple of --num-heads 4"),
        ({"ctc_weight": 1.5}, "--ctc-weight must be"),
        ({"epochs": 0}, "--epochs must be"),
    ],
)
def test_what_does_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_presets_are_configurations():
    assert PRESETS["an4"].speed_perturbation
    assert Config(preset="an4").whisper is None


def test_a_pretrained_whisper():
    config = pretrained("whisper_tiny_en")
    assert (config.whisper, config.method) == ("whisper_tiny_en", "attention")
    assert config.normalize and config.beams == 1
    assert find("whisper_tiny_en") == config
    for given in ({"ctc_weight": 0.5}, {"dim": 8}, {"units": "word"}, {"noise": True}):
        flag = next(iter(given)).replace("_", "-")
        with pytest.raises(ValueError, match=f"--{flag} is of no use to the pretrained Whisper"):
            replace(config, **given)
    with pytest.raises(UserError, match="unknown preset 'an5'"):
        pretrained("an5")


def test_a_preset_takes_the_place_of_a_run():
    arguments = Evaluation(preset="kaggle://a/whisper/keras/tiny", beams=2, run="none")
    assert configure(arguments) == replace(pretrained(arguments.preset), beams=2)
    assert arguments.folder == Path("runs/speech/pretrained-a_whisper_keras_tiny")
    assert Prediction(input="a", preset="../a/tiny").folder.name == "pretrained-tiny"
    assert Evaluation(run="runs/speech/a").folder == Path("runs/speech/a")
    with pytest.raises(UserError, match="there is no run none"):
        configure(Evaluation(run="none"))
    with pytest.raises(UserError, match="there is no run none"):
        find("none")
