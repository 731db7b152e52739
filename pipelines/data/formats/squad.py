"""Files in the format of SQuAD: articles, their paragraphs, and questions about them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.text_input import is_unicode
from pipelines.data import answers
from pipelines.data.annotations import literals
from pipelines.data.formats.text_files import read_lines

# The fields of a record in lower case, the first that is there counts.
CONTEXTS = ("context", "passage", "paragraph", "document", "text")
QUESTIONS = ("question", "query")
IDS = ("id", "qid", "question_id", "_id")
ANSWERS = ("answers", "answer", "answers.text", "answer_text", "answer_texts", "answers_text")
STARTS = ("answer_start", "answers.answer_start", "answers_start", "answer_starts", "start")
STARTS += ("answers.start", "start_position")
TEXT_FIELDS, START_FIELDS = ("text", "texts", "answer_text"), ("start", "answer_start", "starts")


def read(path: str | Path, tally: Tally) -> Iterator[dict]:
    """Reads the questions of a file (Rajpurkar et al., 2016 and 2018).

    Args:
        path: JSON of version 1.1 or 2, or its paragraphs alone; or records with a question each as
            Hugging Face has them, in a list, in an object as its only list, or one a line. May be
            packed.
        tally: Is told of each question that is wrong, or whose answers do not stand in its context.

    Yields:
        Rows with `context`, `question`, mostly `id`, and `answers`, a list of `{"text", "start"}`
        that hold: see `answers.place`. The questions of version 2 that have none are left out.

    Raises:
        UserError: The file cannot be read, or is no such file.
    """
    yield from rows_of(_records(_content(path), str(path)), path, tally)


def rows_of(
    records: Iterable[tuple[str, object]], path: str | Path, tally: Tally
) -> Iterator[dict]:
    """Makes rows of the records of a file.

    Args:
        records: The place and the value of each, or a `ValueError` in its stead: see `row_of`.
        path: What lines call the file.
        tally: As for `read`.

    Yields:
        As `read`.
    """

    def rows() -> Iterator[dict]:
        for where, record in records:
            try:
                if isinstance(record, ValueError):
                    raise record
                row = row_of(record)
            except ValueError as error:
                tally.add(str(error), where)
            else:
                yield row

    return answers.place(rows(), path, tally)


def row_of(record: object) -> dict:
    """Turns one record into a row.

    Args:
        record: With a `context`, a `question` and its `answers`: `{"text": [...], "answer_start":
            [...]}`, a list of `{"text", "start"}` (or `answer_start`) or of texts, a text, or what
            JSON or Python writes of these into a CSV; or with `answer_text` and `answer_start`
            apart.

    Returns:
        `context`, `question`, `answers`, a list of `{"text", "start"}`, the start `None` where the
        record has none; and `id`, a text, if it has one.

    Raises:
        ValueError: Something of it is missing or wrong.
    """
    if not isinstance(record, Mapping):
        raise ValueError("it is no object")
    record = {str(key).strip().casefold(): value for key, value in record.items()}
    row = {"context": _text(record, CONTEXTS), "question": _text(record, QUESTIONS)}
    number = _first(record, IDS)
    if isinstance(number, str | int) and not isinstance(number, bool):
        row = {"id": str(number), **row}
    is_impossible = str(record.get("is_impossible")).casefold() in ("true", "1", "1.0")
    row["answers"] = [] if is_impossible else _answers(record)
    if not is_unicode(json.dumps(row, ensure_ascii=False)):
        raise ValueError("an unpaired surrogate")
    return row


def _answers(record: Mapping) -> list[dict]:
    field = next((name for name in ANSWERS if name in record), None)
    if field is None:
        raise ValueError("it has no 'answers'")
    found, starts = (_plain(_listed(value)) for value in (record[field], _first(record, STARTS)))
    if isinstance(found, list) and not all(isinstance(each, str | Mapping) for each in found):
        found = record[field]  # A text in brackets, as "[15]".
    if isinstance(found, Mapping):
        found, starts = _first(found, TEXT_FIELDS, []), _first(found, START_FIELDS, starts)
    if found is None or (isinstance(found, str) and not found.strip()):
        return []
    found = [found] if isinstance(found, str) else found
    starts = [starts] if not isinstance(starts, list) else starts
    if not isinstance(found, list):
        raise ValueError("its 'answers' are no list")
    if all(isinstance(each, Mapping) for each in found):
        starts = [_first(each, START_FIELDS) for each in found]
        found = [_first(each, TEXT_FIELDS) for each in found]
    elif len(starts) != len(found):
        starts = [None] * len(found) if starts in ([], [None]) else starts
    if not all(isinstance(text, str) for text in found):
        raise ValueError("an answer has no 'text' that is a text")
    if len(starts) != len(found):
        raise ValueError("not as many starts as answers")
    return [
        {"text": text, "start": _start(start)} for text, start in zip(found, starts, strict=True)
    ]


def _start(value) -> int | None:
    """A number of characters, also where a table has it as a text or as 13.0."""
    if value is None or value == "" or value != value:
        return None
    try:
        if not isinstance(value, bool) and int(value) == float(value):
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError("an answer has no 'start' that is a number")


def _listed(value):
    """What a text of a table stands for: a list or an object, or else itself."""
    is_listed = isinstance(value, str) and value.strip().startswith(("[", "{", "array(", "np.arr"))
    return literals.parse_or_text(value) if is_listed else value


def _plain(value):
    """A value with arrays as lists, and None for what is missing."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Mapping):
        return {str(key).casefold(): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _text(record: Mapping, names: Sequence[str]) -> str:
    value = _first(record, names)
    if not isinstance(value, str):
        raise ValueError(f"it has no '{names[0]}' that is a text")
    if not value.strip():
        raise ValueError(f"'{names[0]}' is empty")
    return value


def _first(record: Mapping, names: Sequence[str], default=None):
    return next((record[name] for name in names if record.get(name) is not None), default)


def _content(path: str | Path):
    """What a file holds: of one with a record a line, the list of them."""
    lines = read_lines(path)
    try:
        return json.loads("\n".join(lines))
    except RecursionError:
        raise UserError(f"{path}: not JSON: nested too deep") from None
    except ValueError as error:
        try:
            return [json.loads(line) for line in lines if line.strip()]
        except (ValueError, RecursionError):
            pass
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        message = getattr(error, "msg", error)
        raise UserError(f"{path}{line}: not JSON: {message}") from None


def _records(content, path: str) -> Iterator[tuple[str, object]]:
    """Yields the place and the record of each question."""
    where = f"{path}: record"
    if isinstance(content, Mapping) and not isinstance(content.get("paragraphs"), list):
        lists = [key for key, value in content.items() if isinstance(value, list)]
        field = "data" if "data" in lists or len(lists) != 1 else lists[0]
        if field not in lists:
            raise UserError(f"{path} has no 'data' that is a list of articles or questions")
        content, where = content[field], f"{path}: {field}"
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        raise UserError(f"{path} has no 'data' that is a list of articles or questions")
    for number, item in enumerate(content, 1):
        yield from _of_item(item, f"{where} {number}")


def _of_item(item, where: str) -> Iterator[tuple[str, object]]:
    """Yields the questions of an article, of a paragraph, or of the only one."""
    if isinstance(item, Mapping) and isinstance(item.get("row"), Mapping):
        item = item["row"]
    for field in ("paragraphs", "qas"):
        if isinstance(item, Mapping) and field in item:
            if not isinstance(item[field], list):
                yield where, item
                return
            for number, each in enumerate(item[field], 1):
                if field == "qas" and isinstance(each, Mapping):
                    each = {"context": item.get("context"), **each}
                yield from _of_item(each, f"{where}, {field} {number}")
            return
    yield where, item
