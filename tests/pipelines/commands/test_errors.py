"""Errors that end a command in one line, and those that do not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands import errors
from tests.pipelines.commands.running import error_line

ROOT = Path(__file__).parents[3]


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


def test_the_line_of_the_interrupt_key_says_what_is_kept(capsys):
    kept = []

    @errors.main
    def main():
        with errors.if_interrupted("the whole"), errors.if_interrupted(lambda: f"kept {kept}"):
            kept.append(3)
            raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted: kept [3]\n"


def test_an_unknown_name_comes_with_the_nearest_and_the_known_ones():
    error = errors.unknown("data set", "scnes", ["digits", "scenes"])
    assert str(error) == (
        "unknown data set 'scnes'; did you mean scenes? The known ones are digits, scenes."
    )
    error = errors.unknown("data set", "mnist", ["scenes"])
    assert str(error) == "unknown data set 'mnist'. The known ones are scenes."


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(24, "Too many open files", "a.png"), "a.png: Too many open files"),
        (OSError(28, "No space left on device"), "cannot write: No space left on device"),
        (RuntimeError("{{node a}} /a/b; No space left on device\nmore"), "/a/b; No space left on"),
        (
            RuntimeError("Could not determine home directory."),
            "Could not determine home directory. ",
        ),
        (MemoryError(), "out of memory: MemoryError"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "out of memory: OOM"),
    ],
)
def test_what_the_machine_refuses_is_one_line(capsys, error, line):
    def fail():
        raise error

    assert error_line(capsys, fail).startswith(line)


class TestReading:
    @pytest.mark.parametrize("error", [TypeError("odd"), RecursionError("odd"), KeyError("odd")])
    def test_whatever_it_raises_ends_in_one_line(self, error):
        said = pytest.raises(errors.UserError, match=r"^a\.json cannot be read as a model: '?odd")
        with said, errors.reading("a.json", "a model"):
            raise error

    def test_a_panic_too(self):
        class PanicException(BaseException):  # As Rust's are.
            pass

        said = pytest.raises(errors.UserError, match="cannot be read as a tokenizer: no token")
        with said, errors.reading("a.json", "a tokenizer"):
            raise PanicException("no token\nat line 5")

    def test_the_interrupt_key_and_clear_lines_pass(self):
        for error in (KeyboardInterrupt(), errors.UserError("clear"), SystemExit(3)):
            with pytest.raises(type(error)) as raised, errors.reading("a.json", "a model"):
                raise error
            assert raised.value is error

    def test_the_machine_is_told_apart(self):
        said = pytest.raises(errors.MachineError, match=r"^cannot read a\.json: MemoryError")
        with said, errors.reading("a.json", "a model"):
            raise MemoryError


COMMAND = """
import os, signal, sys, time
from pipelines.commands import errors
{before}
@errors.main
def main():
    {body}
main()
"""


@pytest.mark.parametrize(
    ("body", "shell", "status", "out", "err"),
    [
        # Whatever the locale.
        ("print('größer हिन्दी')", "PYTHONIOENCODING=ascii {}", 0, "größer हिन्दी\n", ""),
        ("print('a\\udc80')", "{}", 0, "a\\udc80\n", ""),
        # Nobody reads on.
        ("[print(i) for i in range(10**6)]", "{} | head -n 1", 0, "0\n", ""),
        ("print('late')", "{} | true", 0, "", ""),
        # Streams that are closed, and whose numbers the next file would take.
        ("os.open('/dev/zero', 0); print(sys.stdin.read(), 'read')", "{} <&-", 0, " read\n", ""),
        ("open('/dev/zero'); print('nobody hears')", "{} >&-", 0, "", ""),
        (
            "print('no error', flush=True); raise errors.UserError('x')",
            "{} 2>&-",
            2,
            "no error\n",
            "",
        ),
        (
            "print('lost')",
            "{} >/dev/full",
            2,
            "",
            "error: cannot write: No space left on device\n",
        ),
        # Asked to end: what is open is closed.
        (
            "try:\n        os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)\n"
            "    finally:\n        print('closed')",
            "{}",
            143,
            "closed\n",
            "",
        ),
    ],
)
def test_streams_of_every_kind(tmp_path, body, shell, status, out, err):
    script = tmp_path / "command.py"
    script.write_text(COMMAND.format(before="", body=body), "utf-8")
    result = subprocess.run(
        ["bash", "-c", shell.format(f"{sys.executable} {script}")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout.decode(), result.stderr.decode()) == (status, out, err)
