"""Answers as spans of a context, checked against it."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console

NEAR = 100  # characters from where an answer should stand
FOUND = "answer{} where it says"
MOVED = "answer{} moved to where the text stands"
GUESSED = "answer{} without a start taken at the first of several places"
LOST = "answer{} not found in the context"
UNANSWERED = "question{} without an answer left out"
TOLD = (MOVED, GUESSED, LOST, UNANSWERED)


def place(rows: Iterable[dict], path: str | Path, tally: Tally) -> Iterator[dict]:
    """Makes sure that every answer stands in its context where it says.

    Offsets counted in bytes, or in a context that was cleaned since, are wrong. Such an answer is
    moved to where its text stands, which must be near, or the only such place; one without an
    offset to the first such place. A text that stands there with other white space around it, or
    with its accents written otherwise (NFC and NFD), becomes that of the context. Answers that are
    not found are left out, and so are questions without any; a line says how many.

    Args:
        rows: With `context`, and `answers`, a list of `{"text", "start"}`, in characters or `None`.
        path: What the line calls the file.
        tally: Is told of each question whose answers are not found.

    Yields:
        The rows, with answers that all hold.

    Raises:
        UserError: None is left, and the tally knows of none that was wrong.
    """
    kept, counts = 0, Counter()
    for number, row in enumerate(rows, 1):
        answers = []
        for answer in row["answers"]:
            text, start, what = _find(row["context"], answer["text"], answer["start"])
            counts[what] += 1
            if start is not None:
                answers.append({**answer, "text": text, "start": start})
        if answers:
            kept += 1
            yield {**row, "answers": answers}
        elif row["answers"]:
            where = row.get("id", number)
            tally.add("the answer does not stand in the context", f"{path}: question {where}")
        else:
            counts[UNANSWERED] += 1
    said = [f"{counts[what]:,} {what.format(_s(counts[what]))}" for what in TOLD if counts[what]]
    if said:
        console.print(f"{path}: {', '.join(said)}")
    if not kept and not len(tally):
        raise UserError(f"{path} has no question whose answer stands in its context")


def _find(context: str, text: str, start: int | None) -> tuple[str, int | None, str]:
    """Returns a text as it stands in a context, where, preferably at `start`, and what was done."""
    if start is not None and start >= 0 and text.strip() and context.startswith(text, start):
        return text, start, FOUND
    for form in dict.fromkeys((text, text.strip(), *_composed(text))):
        places = list(_places(context, form)) if form.strip() else []
        if start is None and places:
            return form, places[0], FOUND if len(places) == 1 else GUESSED
        nearest = min(places, key=lambda place: abs(place - start), default=None)
        if places and (len(places) == 1 or abs(nearest - start) <= NEAR):
            return form, nearest, FOUND if nearest == start else MOVED
    return text, None, LOST


def _composed(text: str) -> list[str]:
    return [unicodedata.normalize(form, text.strip()) for form in ("NFC", "NFD")]


def _places(context: str, text: str) -> Iterator[int]:
    place = context.find(text)
    while place >= 0:
        yield place
        place = context.find(text, place + 1)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
