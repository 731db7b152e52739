from dataclasses import dataclass, fields

import pytest

from pipelines.commands.mechanisms import MECHANISMS, SELF_ATTENTION_ONLY, SINGLE_HEAD
from pipelines.commands.options import overrides
from pipelines.commands.text_to_text import Config


@dataclass(frozen=True, kw_only=True)
class Options(Config):
    """The options of a made-up data set."""

    dataset: str = "pairs"


def complaint(config_class=Options, **settings):
    with pytest.raises(ValueError) as caught:
        config_class(**settings)
    return str(caught.value)


def test_the_mechanism_goes_with_the_model():
    assert Options().mechanism == "multi_head"
    assert Options(model="rnn").mechanism == "additive"
    assert Options(model="rnn", attention="luong_dot").mechanism == "luong_dot"
    assert Options(attention="additive").mechanism == "additive"


@pytest.mark.parametrize("model", ["transformer", "rnn"])
@pytest.mark.parametrize("mechanism", SELF_ATTENTION_ONLY)
def test_a_decoder_needs_a_mechanism_that_looks_elsewhere(model, mechanism):
    assert complaint(model=model, attention=mechanism) == (
        f"--attention {mechanism} is self-attention, so that a decoder cannot attend to the source "
        f"with it; --encoder-attention {mechanism} is one of the encoder"
    )
    assert Options(encoder_attention=mechanism).encoder_attention == mechanism


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_heads_do_not_fit_the_recurrent_decoder(mechanism):
    if mechanism in SINGLE_HEAD:
        assert Options(model="rnn", attention=mechanism).mechanism == mechanism
    elif mechanism not in SELF_ATTENTION_ONLY:
        assert complaint(model="rnn", attention=mechanism) == (
            f"--attention {mechanism} has heads, which --model rnn cannot use; "
            f"take {', '.join(SINGLE_HEAD)}, or --model transformer"
        )


def test_a_recurrent_encoder_has_no_attention():
    assert complaint(model="rnn", encoder_attention="local") == (
        "--encoder-attention is that of a Transformer encoder, which --model rnn lacks"
    )


def test_sizes_that_do_not_go_together():
    assert complaint(dim=10, num_heads=4) == "--dim 10 must be a multiple of --num-heads 4"
    assert complaint(model="rnn", dim=9) == (
        "--dim 9 must be even, half for each direction of the BiLSTM"
    )
    assert Options(model="rnn", dim=10, num_heads=4).dim == 10
    assert complaint(max_target=7, min_length=7) == "--min-length must be less than --max-target 7"
    assert Options(max_target=7, min_length=6).min_length == 6


@pytest.mark.parametrize(
    ("name", "least"),
    [
        *((name, 1) for name in ("num_heads", "encoder_layers", "decoder_layers", "mlp_dim")),
        *((name, 1) for name in ("epochs", "tokens_per_batch", "steps_per_execution")),
        *((name, 1) for name in ("max_train", "max_validation", "beams", "top_k")),
        *((name, 1) for name in ("decode_batch_size", "op_threads")),
        *(("max_source", 3), ("max_target", 3), ("dim", 8), ("vocabulary_size", 300)),
        *((name, 0) for name in ("warmup_steps", "weight_decay", "patience", "min_length")),
        *((name, 0) for name in ("length_penalty", "coverage_penalty", "no_repeat_ngram")),
    ],
)
def test_least_values(name, least):
    flag = name.replace("_", "-")
    assert complaint(**{name: least - 1}) == f"--{flag} must be at least {least}, not {least - 1}"
    assert getattr(Options(**{name: least}), name) == least


@pytest.mark.parametrize(
    ("name", "inside", "outside", "description"),
    [
        *((name, 0.01, 0, "greater than 0") for name in ("learning_rate", "clip_norm")),
        ("temperature", 0.01, float("nan"), "greater than 0"),
        *((name, 0.0, -0.1, "in [0, 1)") for name in ("dropout", "word_dropout")),
        *((name, 0.999, 1.0, "in [0, 1)") for name in ("label_smoothing", "ema")),
        ("top_p", 1.0, 0.0, "in (0, 1]"),
        ("seed", 4294967295, 4294967296, "in [0, 4294967296)"),
    ],
)
def test_ranges(name, inside, outside, description):
    flag = name.replace("_", "-")
    assert complaint(**{name: outside}) == f"--{flag} must be {description}, not {outside}"
    assert getattr(Options(**{name: inside}), name) == inside


def test_a_finished_run_is_decoded_by_fields_of_its_own():
    decoding = overrides(Options, "max_target")
    own = {field.name: field.type for field in fields(Options)}
    names = [field.name for field in fields(decoding)]
    assert {"beams", "no_repeat_ngram", "coverage_penalty", "min_length"} < set(names)
    assert names[-1] == "max_target" and "epochs" not in names
    for field in fields(decoding):
        assert field.default is None, field.name
        assert field.type == own[field.name] | None, field.name
    assert complaint(decoding, beams=0) == "--beams must be at least 1, not 0"
    assert complaint(decoding, max_target=2) == "--max-target must be at least 3, not 2"


def test_the_architecture_is_the_model_alone():
    config = Options(model="rnn", dim=10, encoder_layers=3, word_dropout=0.5, max_source=7)
    found = config.architecture
    assert found["attention"] == "additive"
    expected = {"model": "rnn", "dim": 10, "encoder_layers": 3, "word_dropout": 0.5}
    assert found.items() >= {**expected, "max_source": 7, "max_target": 32}.items()
    assert not found.keys() & {"epochs", "beams", "vocabulary_size", "dataset"}
