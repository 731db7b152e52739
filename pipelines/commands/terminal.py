"""The terminal that shows a run, and the columns of its progress bars."""

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

console = Console(markup=False, highlight=False, soft_wrap=True)


def progress_bar() -> Progress:
    """Returns the progress bar of everything that is computed once and kept."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Times(),
        console=console,
    )


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
