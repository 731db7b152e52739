"""An evaluation has a folder of its own, with what was evaluated; training's result stays."""

import dataclasses
import json
from dataclasses import dataclass

import pytest

from pipelines.commands import evaluations, flags, options, results, runs
from pipelines.commands.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Config(options.Data, options.Training, options.Decoding, options.Run):
    """Trains."""

    dataset: str = "digits"


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.EvaluationData, options.overrides(Config), options.FinishedRun):
    """Evaluates."""

    run: str = "runs/vision/one"
    test_flip: bool = False


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """A run with the result of its training."""
    monkeypatch.chdir(tmp_path)
    folder = runs.create("vision", Config(name="one"))
    runs.point_to(folder)
    runs.Report(folder, "digits", "test", 90.0).write({"top_1": 0.75}, 8, 11)
    return folder


def evaluate(score=0.5, **given):
    """Evaluates; returns the name of the folder."""
    arguments = Evaluation(**given)
    report = evaluations.report(arguments, flags.override(Config(name="one"), arguments))
    report.write({"top_1": score}, 4, 11)
    report.write_rows("predictions", [{"label": "3"}])
    return report.folder.name


def read(run, name, file="metrics.json"):
    return runs.read_json(run / "evaluations" / name / file)


def test_what_training_wrote_stays(run):
    before = {path: path.read_bytes() for path in run.iterdir()}
    for given in ({}, {"dataset": "tfds:cifar10"}, {"split": "validation"}, {"beams": 2}):
        evaluate(**given)
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_an_evaluation_has_the_form_of_a_run_and_its_own_configuration(run):
    assert evaluate(split="validation", beams=7, data_dir="/none", test_flip=True) == (
        "digits-validation-beams_7-test_flip"
    )
    name = "digits-validation-beams_7-test_flip"
    assert sorted(path.name for path in (run / "evaluations" / name).iterdir()) == [
        *("config.json", "metrics.json", "predictions_validation.jsonl")
    ]
    assert read(run, name) == {
        "dataset": "digits",
        "split": "validation",
        "examples": 4,
        "training_seconds": None,
        "parameters": 11,
        "metrics": {"top_1": 0.5},
    }
    config = read(run, name, "config.json")
    own = dataclasses.asdict(Config(beams=7, data_dir="/none"))
    cluster = (field.name for field in dataclasses.fields(options.Cluster))
    for field in ("name", "device", "op_threads", "cache_size", *cluster):
        del own[field]
    assert config == {
        **own,
        **{"run": str(run.resolve()), "split": "validation", "test_flip": True},
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "digits-test"),
        ({"dataset": "tfds:glue/sst2"}, "glue_sst2-test"),
        ({"dataset": "/data/My set: 2/"}, "My_set_2-test"),
        ({"dataset": "."}, "here-test"),
        ({"decode": "greedy", "temperature": 0.5}, "digits-test-decode_greedy-temperature_0.5"),
        ({"device": "cpu"}, "digits-test"),
        ({"dataset": f"/{'a' * 200}"}, "a" * evaluations.LONGEST),
    ],
)
def test_names_tell_what_was_evaluated(tmp_path, monkeypatch, run, given, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert evaluate(run=str(run.absolute()), **given) == name


def test_the_same_again_takes_its_place_and_another_does_not(run, tmp_path, monkeypatch):
    for folder in ("a/set", "b/set"):
        (tmp_path / folder).mkdir(parents=True)
    assert evaluate(0.1, dataset="a/set") == "set-test"
    assert evaluate(0.2, dataset="b/set") == "set-test-2"
    assert evaluate(0.3, dataset="a/set", data_dir="/c") == "set-test-3"
    monkeypatch.chdir(tmp_path / "b")
    assert evaluate(0.4, dataset="set", run="../runs/vision/one") == "set-test-2"
    scores = [
        read(tmp_path / run, f"set-test{end}")["metrics"]["top_1"] for end in ("", "-2", "-3")
    ]
    assert scores == [0.1, 0.4, 0.3]


def test_of_the_latest_run_it_goes_to_the_run_itself(run):
    evaluate(run="runs/vision/latest")
    runs.point_to(runs.create("vision", Config(name="two")))
    assert read(run, "digits-test", "config.json")["run"] == str(run.resolve())


def test_a_chosen_name_or_folder(run, tmp_path):
    assert evaluate(name="mine", beams=2) == "mine"
    assert evaluate(0.6, name="mine", beams=2, device="cpu") == "mine"
    assert read(run, "mine")["metrics"] == {"top_1": 0.6}
    with pytest.raises(UserError, match=r"evaluations/mine holds something else .* --name"):
        evaluate(name="mine", beams=3)
    assert evaluate(output=str(tmp_path / "out" / "b")) == "b"
    assert runs.read_json(tmp_path / "out" / "b" / "metrics.json")["examples"] == 4
    with pytest.raises(UserError, match=r"out/b holds something else already: take another --out"):
        evaluate(output=str(tmp_path / "out" / "b"), split="validation")


@pytest.mark.parametrize("output", ["runs/vision/one", "runs/vision/latest", ".", "file"])
def test_nothing_else_is_written_over(tmp_path, output):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="holds something else already: take another --output"):
        evaluate(output=output)


def test_a_name_that_is_none(run):
    with pytest.raises(UserError, match="--name 'a/b' cannot name a folder"):
        evaluate(name="a/b")
    with pytest.raises(ValueError, match="--name is a folder in the run, and --output another"):
        Evaluation(name="a", output="b")
    assert not (run / "evaluations").exists()


def test_nothing_is_made_before_it_is_written(run):
    evaluations.report(Evaluation(), Config())
    assert not (run / "evaluations").exists()


def test_results_name_an_evaluation_after_its_run(run, tmp_path):
    evaluate(0.25, name="mine")
    evaluate(output=str(tmp_path / "out|\t2"))
    folders = [run, run / "evaluations" / "mine", tmp_path / "out|\t2"]
    rows = results.table(folders).partition("## vision")[2].splitlines()[4:]
    assert rows == [
        "| one | digits | test | 8 | 11 | 1.5 | 0.750 |",
        "| one/mine | digits | test | 4 | 11 |  | 0.250 |",
        r"| one/out\|\t2 | digits | test | 4 | 11 |  | 0.500 |",
    ]


def test_results_of_a_run_that_was_not_trained_to_its_end(run):
    (run / "metrics.json").unlink()
    with pytest.raises(UserError, match=r"no metrics.json: .*/one/evaluations/NAME"):
        results.table([run])
    assert json.loads((run / "config.json").read_text())["name"] == "one"
