import json

import pytest

from pipelines.commands import run_data
from pipelines.commands.disk import prepared_data
from pipelines.commands.errors import UserError
from tests.pipelines.data.prepared.tiny import Config

DESCRIPTION = {
    "version": 1,
    "application": "squares",
    "options": {"power": 3, "backbone": None},
    "facts": {},
    "splits": {},
}


def write(folder, **others):
    folder.mkdir(exist_ok=True)
    (folder / "prepared.json").write_text(json.dumps({**DESCRIPTION, **others}))
    return Config(dataset=str(folder))


def test_other_data_sets_have_no_options(tmp_path):
    assert not prepared_data.is_prepared("numbers")
    assert prepared_data.adopted(Config()) == {}
    prepared_data.check(Config(dataset=str(tmp_path), power=7))


def test_a_training_takes_the_options_of_its_data(tmp_path):
    config = write(tmp_path / "set")
    assert prepared_data.adopted(config) == {"power": 3, "backbone": None}
    prepared_data.check(Config(dataset=config.dataset, power=3))
    with pytest.raises(UserError, match=r"^--power 2 does not go with .*/set, which was prepared "):
        prepared_data.check(config)
    assert prepared_data.agrees(config, config.dataset, ["backbone"])
    assert not prepared_data.agrees(config, config.dataset, ["power"])


@pytest.mark.parametrize("power", ["3", True, 1e9, [3], None, 10**9])
def test_an_option_of_another_kind_is_one_line(tmp_path, power):
    config = write(tmp_path / "set", options={"power": power})
    with pytest.raises(UserError, match="cannot be read as a description of prepared examples"):
        prepared_data.adopted(config)


def test_what_is_unknown_here_is_not_taken(tmp_path):
    config = write(tmp_path / "set", options={"power": 3, "data_dir": "/etc", "epochs": 9})
    assert prepared_data.adopted(config) == {"power": 3}


def test_a_file_of_this_machine_is_named_by_its_owner_alone(tmp_path):
    config = write(tmp_path / "set", options={"power": 3, "backbone": "net.keras"})
    with pytest.raises(UserError, match=r"not prepared on this machine and asks for --backbone"):
        prepared_data.adopted(config)
    # Who gives the flag knows the file, which may have another name here.
    given = Config(dataset=config.dataset, backbone="copy.keras", power=3)
    assert prepared_data.adopted(given)["power"] == 3
    prepared_data.check(given)
    run_data.remember(tmp_path / "set" / "prepared.json")
    assert prepared_data.adopted(config)["backbone"] == "net.keras"
