import json
import re
from dataclasses import asdict, replace

import pytest

import layers
from apps.vision.config import (
    PRESETS,
    SIZES,
    Config,
    Evaluation,
    Prediction,
    halvings,
    resolve,
    started_model,
)
from pipelines.commands import flags, runs
from pipelines.commands.errors import UserError
from pipelines.commands.mechanisms import MECHANISMS
from tests.apps.contract import Help


class TestHelp(Help):
    application = "vision"


def test_the_mechanisms_are_those_of_the_layers():
    assert set(MECHANISMS) < set(layers.mechanisms())


class TestSizes:
    @pytest.mark.parametrize("model", SIZES)
    @pytest.mark.parametrize("size", ["nano", "tiny", "small", "base"])
    def test_a_size_gives_what_is_not_given(self, model, size):
        config = Config(model=model, size=size).resolved
        found = (config.dim, config.depth, config.num_heads, config.mlp_ratio)
        assert found == SIZES[model][size]
        assert config.pool == {"vit": "token", "compact": "attention"}[model]
        assert config.resolved is config

    def test_what_is_given_stands(self):
        config = Config(model="vit", size="small", depth=3, pool="mean").resolved
        assert (config.dim, config.depth, config.num_heads, config.pool) == (384, 3, 6, "mean")

    def test_a_size_given_with_a_preset_counts(self):
        words = ["--preset", "cifar10", "--size", "base"]
        config = flags.parse(Config, words, presets=PRESETS)
        assert config == replace(PRESETS["cifar10"], size="base")
        assert config.resolved.dim == SIZES["compact"]["base"][0]


def test_a_configuration_survives_json():
    config = Config(attention="linear", image_size=24, name="a").resolved
    assert Config(**json.loads(json.dumps(asdict(config)))) == config


def test_a_finished_run_is_used_as_it_was_configured():
    config = Config(dataset="a", batch_size=3, device="gpu")
    assert flags.override(config, Prediction(input="x")) == replace(config, device="auto")
    given = Evaluation(dataset="b", batch_size=5, device="gpu")
    assert flags.override(config, given) == replace(config, dataset="b", batch_size=5)


class TestGoingOn:
    """`--start` gives the model of another run, whose weights are taken."""

    @pytest.fixture(autouse=True)
    def started(self, monkeypatch):
        """The configuration of the run "a"."""
        vit = {"model": "vit", "patch_size": 6, "pool": "mean", "positions": "sinusoidal"}
        vit |= {"size": "tiny", "attention": "local", "dropout": 0.2, "layer_scale": 0.1}
        started = Config(image_size=48, learning_rate=0.1, **vit).resolved
        monkeypatch.setattr(runs, "load", lambda folder, kind: {"a": started}[folder])
        return started

    def parse(self, *words):
        config = flags.parse(Config, words, presets=PRESETS, defaults=started_model)
        return resolve(config)

    def test_flags_that_are_not_given_are_those_of_the_started_run(self, started):
        words = "--start a --image-size 96 --dropout 0 --preset cifar10"
        expected = replace(
            PRESETS["cifar10"],
            start="a",
            image_size=96,
            dropout=0.0,
            dim=192,
            depth=12,
            num_heads=3,
            mlp_ratio=4.0,
            convolutions=None,
            **{
                name: getattr(started, name)
                for name in ("model", "patch_size", "pool", "positions", "size", "attention")
            },
            layer_scale=0.1,
        )
        assert self.parse(*words.split()) == expected
        with pytest.raises(UserError, match="--image-size 97 must be a multiple of --patch-size 6"):
            self.parse("--start", "a", "--image-size", "97")

    @pytest.mark.parametrize(
        ("flag", "message"),
        [
            ("--dim 384", "--dim 384: --start a has weights for --dim 192 only"),
            ("--pool token", "--pool token: --start a has weights for --pool mean only"),
            ("--positions learned", "--positions learned: .* for --positions sinusoidal only"),
            ("--model compact", "--model compact: .* for --model vit only"),
            ("--patch-size 4", "--patch-size 4: .* for --patch-size 6 only"),
        ],
    )
    def test_other_weights_are_refused(self, flag, message):
        with pytest.raises(UserError) as error:
            self.parse("--start", "a", *flag.split())
        assert re.match(message, str(error.value))

    def test_a_new_model_is_that_of_the_flags(self):
        assert self.parse("--dim", "32") == Config(dim=32).resolved


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": True}, "--freeze keeps the weights of a --backbone, and there is none"),
        (
            {"freeze": True, "backbone": "a", "crop": 1},
            "--crop changes pixels, of which --freeze caches the features",
        ),
        ({"freeze": True, "backbone": "a", "rand_augment": 2}, "--rand-augment changes pixels"),
    ],
)
def test_what_does_not_go_with_freeze(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


@pytest.mark.parametrize(
    ("size", "count", "side"),
    [(8, 1, 4), (12, 1, 6), (16, 2, 4), (28, 3, 4), (32, 3, 4), (64, 4, 4)],
)
def test_an_image_is_halved_to_four_by_four_tokens_or_a_few_more(size, count, side):
    assert halvings(size) == count and -(-size // 2**count) == side
