"""Errors that end a command in one line, and those that do not."""

import pytest

from pipelines.commands import errors
from tests.pipelines.commands.running import error_line


def test_main_passes_arguments_and_other_exceptions_on():
    assert errors.main(lambda a, b: a + b)(1, b=2) == 3
    with pytest.raises(ZeroDivisionError):
        errors.main(lambda: 1 / 0)()


def test_main_puts_a_message_of_several_lines_on_one(capsys):
    def fail():
        raise errors.UserError("no such\nfolder")

    assert error_line(capsys, fail) == "no such folder"


def test_what_the_file_system_refuses_is_one_line(capsys, tmp_path):
    def write(path):
        path.write_text("")

    line = error_line(capsys, write, tmp_path)
    assert line == f"{tmp_path}: Is a directory"
    assert error_line(capsys, write, tmp_path / ("a" * 300)).endswith(": File name too long")
    with pytest.raises(FileNotFoundError):
        errors.main(write)(tmp_path / "none" / "a")


def test_the_interrupt_key_ends_a_command_with_one_line(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_info:
        errors.main(interrupted)()
    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_an_unknown_name_comes_with_the_nearest_and_the_known_ones():
    error = errors.unknown("data set", "scnes", ["digits", "scenes"])
    assert str(error) == (
        "unknown data set 'scnes'; did you mean scenes? The known ones are digits, scenes."
    )
    error = errors.unknown("data set", "mnist", ["scenes"])
    assert str(error) == "unknown data set 'mnist'. The known ones are scenes."
