"""Answers as spans of a context, checked against it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console

NEAR = 100  # characters from where an answer should stand


def complaint(row: dict) -> str | None:
    """Returns what is wrong with the `answers` of a line, or None."""
    answers = row.get("answers")
    if not isinstance(answers, list):
        return "field 'answers' must be a list of objects"
    for answer in answers:
        text, start = (answer.get(k) for k in ("text", "start")) if _is(answer, dict) else (0, 0)
        if not _is(text, str) or not _is(start, int):
            return "field 'answers' must hold objects with a 'text' and its 'start', a number"
    return None


def place(rows: Sequence[dict], path: str | Path) -> list[dict]:
    """Makes sure that every answer stands in its context where it says.

    Offsets counted in bytes, or in a context that was cleaned since, are wrong. Such an answer is
    moved to where its text stands, which must be near, or the only such place. Answers that are
    not found are left out, and so are questions without any; a line says how many.

    Args:
        rows: With `context`, and `answers`, a list of `{"text", "start"}`, in characters.
        path: What the line calls the file.

    Returns:
        The rows, with answers that all hold.

    Raises:
        UserError: None is left.
    """
    kept, moved, lost, unanswered = [], 0, 0, 0
    for row in rows:
        answers = []
        for answer in row["answers"]:
            start = _find(row["context"], answer["text"], answer["start"])
            if start is None:
                lost += 1
                continue
            moved += start != answer["start"]
            answers.append({**answer, "start": start})
        if answers:
            kept.append({**row, "answers": answers})
        else:
            unanswered += not row["answers"]
    unfounded = len(rows) - len(kept) - unanswered
    counts = {
        f"answer{_s(moved)} moved to where the text stands": moved,
        f"answer{_s(lost)} not found in the context": lost,
        f"question{_s(unfounded)} left out with {'it' if lost == 1 else 'them'}": unfounded,
        f"question{_s(unanswered)} without an answer left out": unanswered,
    }
    if said := [f"{count:,} {what}" for what, count in counts.items() if count]:
        console.print(f"{path}: {', '.join(said)}")
    if not kept:
        raise UserError(f"{path} has no question whose answer stands in its context")
    return kept


def _find(context: str, text: str, start: int) -> int | None:
    """Returns where a text stands, preferably at `start`."""
    if start >= 0 and text.strip() and context.startswith(text, start):
        return start
    places = list(_places(context, text)) if text.strip() else []
    if not places:
        return None
    nearest = min(places, key=lambda place: abs(place - start))
    return nearest if len(places) == 1 or abs(nearest - start) <= NEAR else None


def _places(context: str, text: str) -> Iterator[int]:
    place = context.find(text)
    while place >= 0:
        yield place
        place = context.find(text, place + 1)


def _is(value, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
