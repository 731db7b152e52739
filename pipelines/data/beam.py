"""Apache Beam, for those who ask for it: where a large set is made, and who makes the files."""

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipelines.commands.errors import UserError, first_line

INSTALL = "apache-beam==2.77.0"
_asked: list[tuple[str, list[str]]] = []


@contextlib.contextmanager
def on(runner: str | None, options: str | None = None) -> Iterator[None]:
    """Has what is made inside be made by a runner of Beam.

    Args:
        runner: Its name; `None` for no Beam.
        options: Those of the runner, as one text.

    Raises:
        UserError: Beam is not installed, or knows no such runner.
    """
    if runner is None:
        yield
        return
    beam = _import()
    words = shlex.split(options or "")
    try:
        beam.runners.runner.create_runner(runner)
    except Exception as error:  # Of what its name makes Beam import.
        raise UserError(f"--runner {runner}: {first_line(error)}") from error
    _asked.append((runner, words))
    try:
        yield
    finally:
        _asked.pop()


def is_on() -> bool:
    """Whether a runner was asked for."""
    return bool(_asked)


def each(function: Callable[[Any], None], items: Sequence[Any]) -> None:
    """Has the runner call a function of each item; both are pickled on their way."""
    beam, (runner, words) = _import(), _asked[-1]
    options = beam.options.pipeline_options.PipelineOptions(words)
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        found = pipeline | "items" >> beam.Create(list(items))
        # Else a runner may give all to one worker.
        found | "apart" >> beam.Reshuffle() | "each" >> beam.Map(function)


def preparation() -> dict[str, Any]:
    """Returns what `download_and_prepare` of a TensorFlow data set is given besides."""
    if not _asked:
        return {}
    import tensorflow_datasets as tfds

    beam, (runner, words) = _import(), _asked[-1]
    config = tfds.download.DownloadConfig(
        beam_runner=runner, beam_options=beam.options.pipeline_options.PipelineOptions(words)
    )
    return {"download_config": config}


def _import():
    try:
        import apache_beam
        import apache_beam.options.pipeline_options
        import apache_beam.runners.runner
    except ImportError as error:
        raise UserError(
            f"--runner needs Apache Beam, which is not installed: "
            f".venv/bin/python -m pip install '{INSTALL}'"
        ) from error
    return apache_beam
