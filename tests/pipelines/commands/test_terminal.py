import io
import re
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from pipelines.commands import errors, terminal
from pipelines.commands.terminal import answer, console, note, printable

HOSTILE = "a\tb\nc\x1b[31md\x7f\x9b\u2028e\r\udcff"
ESCAPED = r"a\tb\nc\x1b[31md\x7f\x9b\u2028e\r\udcff"


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer 日本 👋🏽 हिन्दी, l'été \\ [red]", "größer 日本 👋🏽 हिन्दी, l'été \\ [red]"),
        (HOSTILE, ESCAPED),
        ("", ""),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown


def test_every_way_to_the_terminal_escapes(capsys):
    answer("one\ttwo", HOSTILE)
    note(HOSTILE)
    assert capsys.readouterr() == (f"one\\ttwo\t{ESCAPED}\n", f"{ESCAPED}\n")
    console.print(f"skipped: {HOSTILE} :dog: [b]")
    assert capsys.readouterr().out == f"skipped: {ESCAPED} :dog: [b]\n"


def test_an_error_names_what_it_cannot_print(capsys):
    @errors.main
    def main():
        raise errors.UserError("there is no folder \x1b[2Ja\tb\nc")

    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "error: there is no folder \\x1b[2Ja\\tb c\n"


def test_results_are_in_utf8_whatever_the_locale(monkeypatch):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    @errors.main
    def main():
        answer("größer")
        console.print("日本")
        note("été")

    main()
    for stream in (out, err):
        stream.flush()
    assert out.buffer.getvalue().decode() == "größer\n日本\n"
    assert err.buffer.getvalue().decode() == "été\n"


@pytest.fixture
def log(monkeypatch):
    """What is printed without a terminal, by a clock that `log.now` sets."""
    stream = io.StringIO()
    monkeypatch.setattr(terminal, "console", terminal._Lines(file=stream))

    class Log:
        now = 100.0

        @property
        def lines(self):
            return stream.getvalue().splitlines()

    log = Log()
    monkeypatch.setattr(terminal.Bar, "get_time", None, raising=False)
    init = terminal.Bar.__init__

    def with_clock(bar, *columns, **options):
        init(bar, *columns, get_time=lambda: log.now, **options)

    monkeypatch.setattr(terminal.Bar, "__init__", with_clock)
    return log


def test_without_a_terminal_a_line_tells_every_half_minute(log):
    with terminal.progress_bar() as bar:
        task = bar.add_task("features of [a]", total=8400)
        for log.now in (110, 125, 131, 140, 159, 162):
            bar.advance(task, 100)
        starts = [f"features of [a] {shown}/8400 elapsed " for shown in ("300", "600")]
        assert len(log.lines) == 2 and all(map(str.startswith, log.lines, starts))
        bar.update(task, completed=8400)
    assert log.lines[2:] == ["features of [a] 8400/8400 elapsed 1:02, 0:00 left"]


def test_a_part_of_the_work_tells_no_end(log):
    with terminal.progress_bar(steps=3) as bar:
        for _ in bar.track(iter("abc"), total=3, description="decoding"):
            log.now += 29
    assert log.lines == ["decoding 2/3 elapsed 0:58, 0:29 left"]
    with terminal.progress_bar(steps=1) as bar:
        assert list(bar.track("ab", description="decoding")) == ["a", "b"]
    assert len(log.lines) == 1
