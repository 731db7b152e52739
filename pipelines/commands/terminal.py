"""What is printed: results, notes and progress, each on its line and with nothing that moves it."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

SECONDS_BETWEEN_LINES = 30
# Control characters, the ends of lines beyond them, and what is no character in UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    """Returns a text on one line, its control characters escaped as Python writes them."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def mute() -> None:
    """Has this process print nothing but errors: of several, one speaks."""
    console.quiet = True


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Keeps off the standard output what libraries print there past Python."""
    sys.stdout.flush()
    terminal, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        os.dup2(terminal, 1)
        os.close(terminal)
        os.close(nothing)


def answer(*fields: str) -> None:
    """Prints a line of results on standard output, its fields parted by tabs, at once."""
    if not console.quiet:
        print("\t".join(map(printable, fields)), flush=True)


def note(text: str) -> None:
    """Prints a line on standard error: what is not a result, which may be piped."""
    if not console.quiet:
        complain(text)


def complain(text: str) -> None:
    """Prints a line on standard error, also of a process that is muted."""
    print(printable(text), file=sys.stderr)


def speak_utf8() -> None:
    """Has both outputs written in UTF-8, whatever the locale says."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


class _Lines(Console):
    """A console that prints each text on a line, its control characters escaped."""

    def __init__(self, **options):
        super().__init__(markup=False, highlight=False, emoji=False, soft_wrap=True, **options)

    def print(self, *objects, **options):
        shown = (printable(each) if isinstance(each, str) else each for each in objects)
        super().print(*shown, **options)


console = _Lines()


class Bar(Progress):
    """A progress bar on a terminal; elsewhere, as in the log of a job, a line now and then.

    Args:
        *columns: Of the bar.
        line: What a line says of a task, by default its description, count and times.
        to: The console.
        shown: Whether to show a bar.
        last: Whether a line tells of the end.
        **options: Further ones of `rich.progress.Progress`.
    """

    def __init__(self, *columns, line=None, to=None, shown=True, last=True, **options):
        to = to or console
        super().__init__(*columns, console=to, disable=not (to.is_terminal and shown), **options)
        self._line = line or _count
        self._lines, self._last = not to.is_terminal, last
        self._told = self.get_time()

    def update(self, task_id, **changes):
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id, advance=1):
        super().advance(task_id, advance)
        self._tell(task_id)

    def track(self, sequence, total=None, description="", **options):
        if not self._lines:  # Else the thread of the bar counts, which only a bar has.
            yield from super().track(sequence, total=total, description=description, **options)
            return
        task = self.add_task(description, total=len(sequence) if total is None else total)
        for value in sequence:
            yield value
            self.advance(task)

    def stop(self):
        super().stop()
        if self._lines and self._last:
            for task in self.tasks:
                self.console.print(self._line(task))

    def _tell(self, task_id):
        now = self.get_time()
        if self._lines and now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            self.console.print(self._line(self._tasks[task_id]))


def progress_bar(steps: int | None = None) -> Bar:
    """Returns the progress bar of something that is computed.

    Args:
        steps: How many steps it has, if it is no more than a part of what a command does: a single
            one needs no bar, and no line tells of the end.
    """
    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Times(),
        shown=steps is None or steps > 1,
        last=steps is None,
    )


def _count(task: Task) -> str:
    total = "?" if task.total is None else f"{task.total:.0f}"
    return f"{task.description} {task.completed:.0f}/{total} {Times().render(task)}"


class Times(ProgressColumn):
    """The column "elapsed 0:03, 1:20 left" of a progress bar."""

    max_refresh = 0.5  # Else the estimate flickers.

    def __init__(self):
        super().__init__(Column(no_wrap=True))  # A narrow terminal shortens the bar, not the text.

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        return Text(f"elapsed {_clock(elapsed)}, {_clock(task.time_remaining)} left")


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-:--"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def fixed(value: float) -> str:
    """Returns a number in fixed-point notation: four decimals below 1, one from 100 on."""
    decimals = sum(abs(value) < limit for limit in (1, 10, 100)) + 1
    return f"{value:.{decimals}f}"
