"""Ways to call the commands of an application, and to read what they leave behind."""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def flags(**settings):
    """Settings as they are written on the command line."""
    words = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return words


def start(app, command, *arguments, folder):
    """Starts `python -m apps.APP.COMMAND` in a folder, with pipes to both outputs."""
    # A test run in the background ignores the interrupt key, and its children would inherit that.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", f"apps.{app}.{command}", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, previous)


@dataclass(frozen=True)
class Result:
    """What a finished command left behind: exit status, outputs, and the folder it ran in."""

    status: int
    out: str
    err: str
    folder: Path
    app: str

    @property
    def run(self):
        """The run that was named tiny."""
        return self.folder / "runs" / self.app / "tiny"


def finish(app, command, *arguments, folder):
    """Runs a command to its end."""
    process = start(app, command, *arguments, folder=folder)
    out, err = process.communicate(timeout=300)
    return Result(process.returncode, out, err, Path(folder), app)


def finish_here(app, command, *arguments, folder):
    """Runs a command in a folder to its end, in this process, which has TensorFlow already."""
    main = importlib.import_module(f"apps.{app}.{command}").main
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        main([str(argument) for argument in arguments])
    return Result(0, out.getvalue(), err.getvalue(), Path(folder), app)


def interrupt(process):
    """Presses ctrl-C in the second epoch of a training; exit status, and what it says of it."""
    try:
        for line in process.stdout:
            if line.startswith("epoch 2/"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, err


def interrupted(app):
    """What a training that was named tiny then says at last."""
    return (
        "interrupted: the same command goes on from here, and so does make "
        f"resume-{app} RUN=runs/{app}/tiny"
    )


def evaluation(run):
    """The folder of the one evaluation of a run."""
    (folder,) = (Path(run) / "evaluations").iterdir()
    return folder


def refused(main, arguments, capsys):
    """The one line with which a command refuses its arguments."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
