import io
import re

import pytest
from rich.console import Console
from rich.progress import Progress

from pipelines.commands import terminal


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [(None, "-:--"), (0, "0:00"), (3.9, "0:03"), (80, "1:20"), (3725.5, "1:02:05")],
)
def test_a_time_as_a_clock_shows_it(seconds, clock):
    assert terminal._clock(seconds) == clock


def test_times_are_told_elapsed_and_left():
    clock = [0.0]
    bar = Progress(console=Console(file=io.StringIO()), get_time=lambda: clock[0])
    task = bar.add_task("", total=100)

    def shown():
        return terminal.Times().render(bar.tasks[task]).plain

    assert shown() == "elapsed 0:00, -:-- left"
    for clock[0] in (1.0, 2.0, 3.0):
        bar.advance(task, 10)
    clock[0] = 4.0
    assert shown() == "elapsed 0:04, 0:07 left"  # 10 a second, and 70 to go.
    bar.update(task, completed=100)
    clock[0] = 500.0
    assert shown() == "elapsed 0:04, 0:00 left"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_bar_counts_and_tells_the_times_on_one_line(width, monkeypatch):
    console = Console(file=io.StringIO(), width=width)
    monkeypatch.setattr(terminal, "console", console)
    bar = terminal.progress_bar()
    bar.update(bar.add_task("reading", total=8400), completed=8400)
    console.print(bar.get_renderable())
    (line,) = console.file.getvalue().splitlines()
    assert re.fullmatch("reading ━+ +8400/8400 elapsed 0:00, 0:00 left *", line)
