"""What a command prints: in this process, and in one of its own."""

import os
import subprocess
import sys

import pytest

from pipelines.commands import errors


def error_line(capsys, function, *args, **options):
    with pytest.raises(SystemExit) as exit_info:
        errors.main(function)(*args, **options)
    captured = capsys.readouterr()
    assert exit_info.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err.removeprefix("error: ").rstrip("\n")


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
