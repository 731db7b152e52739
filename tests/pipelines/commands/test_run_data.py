"""A run that comes from anywhere names no data for this machine to read or to ask for."""

import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from pipelines.commands import options, runs
from pipelines.commands.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """A network."""

    GROUP: ClassVar = "model"
    PATHS: ClassVar = "backbone"

    backbone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Config(Model, options.Data, options.Decoding, options.Run):
    """Trains."""

    dataset: str = "digits"
    rate: float = 0.5
    kind: Literal["a", "b"] | None = "a"


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, options.overrides(Config), options.FinishedRun):
    """Evaluates."""


@dataclass(frozen=True, kw_only=True)
class Prediction(options.PredictionInput, options.overrides(Config), options.FinishedRun):
    """Predicts."""


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def strange(inside):
    """Makes the run of a stranger."""

    def make(**config):
        folder = inside / "strange"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.keras").touch()
        return str(folder)

    return make


def configured(run, **flags):
    return runs.configure(Config, Evaluation(run=str(run), **flags))


class TestData:
    @pytest.mark.parametrize(
        ("config", "asked"),
        [
            ({"dataset": "tfds:evil"}, "--dataset tfds:evil"),
            ({"dataset": "."}, r"--dataset \."),
            ({"dataset": "tfds:a", "data_dir": "b"}, "--dataset tfds:a, --data-dir b"),
            ({"data_dir": "b"}, "--data-dir b"),
        ],
    )
    def test_those_of_a_stranger_are_not_read_unasked(self, strange, config, asked):
        run = strange(**config)
        with pytest.raises(
            UserError, match=f"was not trained on this machine and asks for {asked}: "
        ):
            configured(run)
        # To predict, none are needed.
        assert runs.configure(Config, Prediction(run=run, input="a")).dataset == config.get(
            "dataset", "digits"
        )

    def test_the_built_in_set_is_read(self, strange):
        assert configured(strange(beams=7)) == Config(beams=7)
        assert configured(strange(backbone="hf://a")).backbone == "hf://a"  # It is no data.

    def test_a_set_that_is_asked_for_is_read_from_where_it_is_asked_for(self, strange):
        run = strange(dataset="tfds:a", data_dir="evil")
        found = configured(run, dataset="tfds:b")
        assert (found.dataset, found.data_dir) == ("tfds:b", None)
        found = configured(run, dataset="tfds:a")
        assert (found.dataset, found.data_dir) == ("tfds:a", None)
        assert configured(run, dataset="tfds:a", data_dir="mine").data_dir == "mine"
        with pytest.raises(UserError):  # For the folder nobody has asked.
            configured(run)

    def test_to_name_the_runs_own_confirms_it(self, strange):
        run = strange(dataset="tfds:a")
        assert configured(run, dataset="tfds:a").dataset == "tfds:a"
        assert configured(run).dataset == "tfds:a"
        with pytest.raises(UserError):
            configured(strange(dataset="tfds:b"))

    def test_a_run_of_this_machine_has_its_data_wherever_it_is(self, inside):
        folder = runs.create("vision", Config(dataset="tfds:a", data_dir="b"))
        (folder / "model.keras").touch()
        assert configured(folder).data_dir == "b"
        assert configured(folder, dataset="tfds:a").data_dir == "b"
        assert configured(folder, dataset="tfds:c").data_dir is None
        moved = folder.rename(inside / "moved")
        assert configured(moved).dataset == "tfds:a"

    def test_without_a_cache_the_run_is_made_all_the_same(self, inside, monkeypatch):
        (inside / "file").touch()
        monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(inside / "file" / "cache"))
        folder = runs.create("vision", Config(dataset="tfds:a"))
        (folder / "model.keras").touch()
        with pytest.raises(UserError, match="give --dataset, the same or another"):
            configured(folder)


def test_paths_are_stored_absolute(inside):
    for name in ("data", "tfds", "net", "digits"):
        (inside / name).mkdir()
    config = Config(dataset="data", data_dir="./tfds", backbone="net", name="data")
    folder = runs.create("vision", config)
    (folder / "model.keras").touch()
    found = runs.load(folder, Config)
    absolute = {
        name: str(inside / each)
        for name, each in [("dataset", "data"), ("data_dir", "tfds"), ("backbone", "net")]
    }
    assert found == dataclasses.replace(config, **absolute)
    # A built-in set goes before a folder of its name, and a name that is none stays.
    config = Config(dataset="digits", data_dir="nowhere", backbone="MobileNetV2")
    assert options.located(config) == config


@pytest.mark.parametrize(
    "values",
    [
        {"beams": 4.0},
        {"beams": True},
        {"beams": 10**7},
        {"beams": 0},
        {"seed": 2**33},
        {"rate": "0.5"},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"kind": "c"},
        {"kind": ["a"]},
        {"dataset": None},
        {"dataset": ["a"]},
        {"decode": "viterbi"},
        {"op_threads": {}},
    ],
)
def test_fields_are_of_their_type_range_and_choice(strange, values):
    ((name, _),) = values.items()
    with pytest.raises(
        UserError, match=rf"config\.json is no configuration .*{name.replace('_', '.')}"
    ):
        runs.load(strange(**values), Config)


def test_files_of_a_run_belong_together(tmp_path):
    runs.check_together(tmp_path, "tokens", 5, 5)
    with pytest.raises(UserError) as raised:
        runs.check_together(tmp_path, "tokens", 1300, 5)
    assert str(raised.value) == (
        f"the files of {tmp_path} do not belong together: there are 1,300 tokens, "
        "and the model is of 5"
    )


@pytest.mark.parametrize("names", [["a", "a"], ["a", 1], {"a": 1}])
def test_labels_are_names_each_once(tmp_path, names):
    (tmp_path / "labels.json").write_text(json.dumps(names))
    with pytest.raises(UserError, match=r"labels\.json "):
        runs.read_names(tmp_path / "labels.json")
