"""Apache Beam is no dependency: a stand-in has the few names of it that are used."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import beam


class Step:
    """Values, and the transforms that are applied to them with `|`."""

    def __init__(self, apply=None, values=()):
        self.apply, self.values = apply, values

    def __or__(self, step):
        return Step(values=step.apply(self.values))

    def __rrshift__(self, label):
        return self


@pytest.fixture
def stand_in(monkeypatch):
    """Modules in place of Beam's; they tell how the pipeline was made."""
    made = SimpleNamespace(runner=None, options=None)

    class Pipeline(Step):
        def __init__(self, runner, options):
            super().__init__()
            made.runner, made.options = runner, options

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    def create_runner(name):
        if name != "DirectRunner":
            raise ValueError(f"Unexpected pipeline runner: {name}.\nMore.")

    modules = {
        "apache_beam": {
            "Pipeline": Pipeline,
            "Create": lambda values: Step(lambda _: values),
            "Reshuffle": lambda: Step(lambda values: values),
            "Map": lambda function: Step(lambda values: [function(each) for each in values]),
        },
        "apache_beam.options": {},
        "apache_beam.options.pipeline_options": {"PipelineOptions": tuple},
        "apache_beam.runners": {},
        "apache_beam.runners.runner": {"create_runner": create_runner},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, module)
    return made


def test_without_a_runner_there_is_no_beam(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with beam.on(None):
        assert not beam.is_on() and beam.preparation() == {}


def test_a_runner_calls_a_function_of_each_item(stand_in):
    found = []
    with beam.on("DirectRunner", "--workers=2 --name='a b'"):
        assert beam.is_on()
        beam.each(found.append, range(5))
        config = beam.preparation()["download_config"]
        assert (config.beam_runner, config.beam_options) == ("DirectRunner", stand_in.options)
    assert found == [0, 1, 2, 3, 4]
    assert (stand_in.runner, stand_in.options) == ("DirectRunner", ("--workers=2", "--name=a b"))
    assert not beam.is_on()


def test_an_unknown_runner_is_one_line(stand_in):
    with (
        pytest.raises(UserError, match=r"^--runner Fast: Unexpected pipeline runner: Fast\.$"),
        beam.on("Fast"),
    ):
        pass


def test_beam_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with (
        pytest.raises(UserError, match=r"needs Apache Beam.*pip install 'apache-beam=="),
        beam.on("DirectRunner"),
    ):
        pass
