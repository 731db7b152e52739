"""Flags, what they resolve to, and that --help needs no TensorFlow."""

import subprocess
import sys
from dataclasses import replace

import pytest

from apps.speech.config import PRESETS, Config, check_pretrained, pretrained
from pipelines.commands.errors import UserError
from tests.apps.commands import ROOT


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_help_is_light(command):
    code = (
        f"import sys; sys.argv = ['x', '--help']\nimport apps.speech.{command} as command\n"
        "try:\n    command.main()\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "assert not {'tensorflow', 'keras', 'librosa', 'matplotlib'} & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "--decode" in result.stdout


def test_the_way_of_listening_follows_the_decoder():
    assert Config().listening == "multi_head"
    assert Config(decoder="rnn").listening == "location_sensitive"
    assert Config(decoder="rnn", attention="additive").listening == "additive"


def test_decoding_is_by_what_a_model_has():
    assert Config().decoding == "joint"
    assert Config(ctc_weight=0.0).decoding == "attention"
    assert Config(decoder="none").decoding == "ctc"
    assert Config(decode="ctc").decoding == "ctc"
    assert Config(decoder="none", decode="ctc_beam").decoding == "ctc_beam"


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
    assert (config.whisper, config.decoding) == ("whisper_tiny_en", "attention")
    assert config.normalize and config.beams == 1
    check_pretrained(config)
    with pytest.raises(UserError, match="--ctc-weight is of no use"):
        check_pretrained(replace(config, ctc_weight=0.5))
