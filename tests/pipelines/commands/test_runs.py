import json
import os
import re
import zipfile
from dataclasses import dataclass

import pytest

from pipelines.commands import runs
from pipelines.commands.disk import files
from pipelines.commands.errors import Terminated, UserError


@dataclass(frozen=True)
class Config:
    name: str | None = None
    dim: int = 8
    title: str = "caf\u00e9"


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finished(name="one", **options):
    folder = runs.create("captioning", Config(name, **options))
    (folder / "model.keras").touch()
    runs.point_to(folder)
    return folder


class TestCreate:
    def test_a_run_is_a_folder_with_its_configuration(self, inside):
        folder = runs.create("captioning", Config("one", dim=3))
        assert (inside / folder) == inside / "runs" / "captioning" / "one"
        assert sorted(path.name for path in folder.iterdir()) == ["config.json"]
        text = (folder / "config.json").read_text("utf-8")
        assert json.loads(text) == {"name": "one", "dim": 3, "title": "café"}
        assert "café" in text

    def test_the_time_names_a_run_without_a_name(self):
        folder = runs.create("captioning", Config())
        assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)

    def test_latest_points_to_the_newest(self, inside):
        latest = inside / "runs" / "captioning" / "latest"
        for name in ("one", "two"):
            folder = runs.create("captioning", Config(name))
            runs.point_to(folder)
            assert latest.is_symlink()
            assert os.readlink(latest) == name  # Relative: the folder may move to another machine.
            assert latest.resolve() == (inside / folder).resolve()
        assert sorted(p.name for p in latest.parent.iterdir()) == ["latest", "one", "two"]

    def test_latest_is_never_missing(self, inside, monkeypatch):
        runs.point_to(runs.create("captioning", Config("one")))
        latest = inside / "runs" / "captioning" / "latest"
        replace = os.replace

        def watched(source, target):
            if target.name == "latest":
                assert os.readlink(latest) == "one" and os.readlink(source) == "two"
            replace(source, target)

        two = runs.create("captioning", Config("two"))
        monkeypatch.setattr(os, "replace", watched)
        runs.point_to(two)
        assert os.readlink(latest) == "two"

    def test_a_latest_that_is_no_link_is_left_alone(self, inside):
        (inside / "runs" / "captioning" / "latest").mkdir(parents=True)
        with pytest.raises(UserError, match="runs/captioning/latest is no link to a run"):
            runs.check_name("captioning", Config())

    def test_applications_have_a_latest_of_their_own(self, inside):
        runs.point_to(runs.create("captioning", Config("one")))
        runs.point_to(runs.create("speech", Config("two")))
        assert os.readlink("runs/captioning/latest") == "one"
        assert os.readlink("runs/speech/latest") == "two"

    @pytest.mark.parametrize("name", ["a/b", "../up", "..", ".", "latest", "two words", "a\n", "*"])
    def test_a_name_that_is_none_for_a_folder(self, inside, name):
        with pytest.raises(UserError, match="--name"):
            runs.create("captioning", Config(name))
        assert not (inside / "runs").exists()

    @pytest.mark.parametrize("name", ["v1.2_base+ema-3", "été", "7"])
    def test_other_names_are_taken(self, name):
        assert runs.create("captioning", Config(name)).name == name

    def test_a_name_is_taken_once(self):
        runs.create("captioning", Config("one", dim=1))
        runs.create("captioning", Config("two"))
        with pytest.raises(UserError, match=r"runs/captioning/one already.*--name"):
            runs.create("captioning", Config("one", dim=2))
        assert runs.read_json("runs/captioning/one/config.json")["dim"] == 1


class TestInterruption:
    def told(self, *created, saved=False, raised=KeyboardInterrupt):
        with pytest.raises(raised) as interrupt, runs.under_way():
            for name in created:
                folder = runs.create("speech", Config(name))
                if saved:
                    (folder / "checkpoints" / "step-0000000007").mkdir(parents=True)
            raise raised
        return interrupt.value.args

    def test_before_there_is_a_run(self):
        assert self.told() == ("",)

    def test_before_there_is_a_checkpoint(self):
        assert self.told("one") == (
            "no checkpoint was written, and runs/speech/one can be removed",
        )
        assert self.told() == ("",)  # The next command knows nothing of it.

    @pytest.mark.parametrize("raised", [KeyboardInterrupt, Terminated])
    def test_later_the_line_says_how_to_go_on(self, raised):
        assert self.told("one", saved=True, raised=raised) == (
            "the same command goes on from here, and so does make resume-speech "
            "RUN=runs/speech/one",
        )


class TestLoad:
    def test_gives_the_configuration_back(self, inside):
        folder = finished(dim=5)
        assert runs.load(folder, Config) == Config("one", dim=5)
        assert runs.load("runs/captioning/latest", Config) == Config("one", dim=5)

    def test_fields_that_are_newer_than_the_run_have_their_defaults(self):
        folder = finished()
        (folder / "config.json").write_text('{"name": "one"}')
        assert runs.load(folder, Config) == Config("one")

    def test_a_missing_folder(self):
        with pytest.raises(UserError, match=r"no run runs/captioning/none"):
            runs.load("runs/captioning/none", Config)

    def test_a_file(self, inside):
        (inside / "file").touch()
        with pytest.raises(UserError, match="no run file"):
            runs.load("file", Config)

    def test_a_folder_that_is_no_run(self, inside):
        with pytest.raises(UserError, match=r"not a run.*config\.json"):
            runs.load(inside, Config)

    def test_a_run_without_a_model(self):
        folder = runs.create("captioning", Config("one"))
        with pytest.raises(UserError, match=r"one has no model\.keras"):
            runs.load(folder, Config)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b'{"name": "one"',
            b"[1, 2]",
            b"3",
            b'{"name": "one", "colour": "red"}',
            b'{"name": "one", "title": null}',
            b'{"name": "one", "dim": "8"}',
            b"\xff\xfe",
        ],
    )
    def test_a_configuration_that_is_none(self, content):
        folder = finished()
        (folder / "config.json").write_bytes(content)
        with pytest.raises(
            UserError, match=r"one/config\.json (is no|cannot be read as a) configuration"
        ):
            runs.load(folder, Config)


class TestLoadModel:
    @staticmethod
    def packed(folder, **files):
        with zipfile.ZipFile(folder / "model.keras", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)

    def test_a_truncated_file(self):
        folder = finished()
        for content in (b"", b"PK\x03\x04half"):
            (folder / "model.keras").write_bytes(content)
            with pytest.raises(
                UserError, match=r"model\.keras cannot be read as a model: it is empty"
            ):
                runs.load_model(folder)

    @pytest.mark.parametrize("files", [{}, {"a": "b"}])
    def test_another_archive(self, files):
        folder = finished()
        self.packed(folder, **files)
        with pytest.raises(UserError, match=r"model\.keras cannot be read as a model: "):
            runs.load_model(folder)


class TestNames:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, r"labels\.json cannot be read as a list of labels: No such file"),
            ('["cat",', r"labels\.json cannot be read as a list of labels: "),
            ('{"0": "cat"}', r"labels\.json is no list of labels"),
            ("[1, 2]", r"labels\.json is no list of labels"),
        ],
    )
    def test_a_damaged_file(self, inside, content, message):
        path = inside / "labels.json"
        if content is not None:
            path.write_text(content, "utf-8")
        with pytest.raises(UserError, match=message):
            runs.read_names(path)

    def test_names_are_read(self, inside):
        runs.write_json(inside / "labels.json", ["chat", "größer"])
        assert runs.read_names(inside / "labels.json") == ["chat", "größer"]


class TestJson:
    def test_round_trip(self, inside):
        value = {"é": [1, 2.5, None, True], "nested": {"a": "b"}}
        runs.write_json(inside / "a.json", value)
        assert runs.read_json(inside / "a.json") == value
        assert [path.name for path in inside.iterdir()] == ["a.json"]

    def test_a_failed_write_leaves_the_file_before(self, inside, monkeypatch):
        path = inside / "a.json"
        runs.write_json(path, {"a": 1})
        with pytest.raises(TypeError):
            runs.write_json(path, {"a": object()})
        assert runs.read_json(path) == {"a": 1}

        def full(*_):
            raise OSError("disk full")

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="disk full"):
            runs.write_json(path, {"a": 2})
        assert runs.read_json(path) == {"a": 1}


class TestJsonLines:
    def test_an_object_a_line(self, inside):
        path = inside / "a.jsonl"
        runs.write_json_lines(path, iter([{"text": "Zürich\n"}, {"n": [1, None]}]))
        assert path.read_bytes() == '{"text": "Zürich\\n"}\n{"n": [1, null]}\n'.encode()
        runs.write_json_lines(path, [])
        assert path.read_bytes() == b""

    def test_a_failed_write_leaves_the_file_before(self, inside):
        path = inside / "a.jsonl"
        runs.write_json_lines(path, [{"a": 1}])
        with pytest.raises(TypeError):
            runs.write_json_lines(path, [{"a": 2}, {"a": object()}])
        assert path.read_text() == '{"a": 1}\n'


REPORT = {
    "dataset": "digits",
    "split": "test",
    "examples": 7,
    "training_seconds": 2.5,
    "parameters": 11,
    "metrics": {"top_1": 0.875},
}


class TestReport:
    def write(self, folder, training_seconds=None):
        report = runs.Report(folder, "digits", "test", training_seconds)
        return report.write({"top_1": 0.875}, 7, parameters=11)

    def test_is_written_and_the_metrics_are_shown(self, inside, capsys):
        assert self.write(inside, 2.5) == REPORT
        assert runs.read_json(inside / "metrics.json") == REPORT
        assert capsys.readouterr().out.split() == ["top_1", "0.875"]

    def test_without_training(self, inside):
        assert self.write(inside)["training_seconds"] is None

    def test_rows_are_an_object_a_line(self, inside):
        rows = [{"text": "é\n"}, {"text": "b"}]
        runs.Report(inside, "digits", "test").write_rows("texts", rows)
        content = (inside / "texts_test.jsonl").read_text("utf-8")
        assert content == '{"text": "é\\n"}\n{"text": "b"}\n'
        assert [path.name for path in inside.iterdir()] == ["texts_test.jsonl"]


def test_a_folder_is_made_unless_it_is_there(inside):
    for _ in range(2):
        files.make_folder(inside / "a" / "b")
    assert (inside / "a" / "b").is_dir()
    (inside / "file").touch()
    with pytest.raises(UserError, match=r"cannot make the folder .*/file/c: Not a directory"):
        files.make_folder(inside / "file" / "c")
