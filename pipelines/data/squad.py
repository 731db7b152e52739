"""Files in the format of SQuAD: articles, their paragraphs, and questions about them."""

import json
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.text_input import is_unicode
from pipelines.data import answers
from pipelines.data.parallel_text import read_lines


def read(path: str | Path) -> list[dict]:
    """Reads the questions of a file (Rajpurkar et al., 2016 and 2018).

    Args:
        path: JSON of version 1.1 or 2; may be packed.

    Returns:
        Rows with `id`, `context`, `question`, and `answers`, a list of `{"text", "start"}` that
        hold: see `answers.place`. The questions of version 2 that have none are left out.

    Raises:
        UserError: The file cannot be read, is no such file, or no question is left.
    """
    try:
        content = json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: not JSON: nested too deep") from None
    return answers.place(list(_rows(content, path)), path)


def _rows(content, path: str | Path) -> Iterator[dict]:
    for article, at in _objects(content, "data", str(path)):
        for paragraph, at_paragraph in _objects(article, "paragraphs", at):
            context = _get(paragraph, "context", str, at_paragraph)
            for question, at_question in _objects(paragraph, "qas", at_paragraph):
                is_impossible = question.get("is_impossible", False)
                found = [] if is_impossible else _objects(question, "answers", at_question)
                yield {
                    "id": str(_get(question, "id", str | int, at_question)),
                    "context": context,
                    "question": _question(question, at_question),
                    "answers": [
                        {
                            "text": _get(answer, "text", str, at_answer),
                            "start": _get(answer, "answer_start", int, at_answer),
                        }
                        for answer, at_answer in found
                    ],
                }


def _question(holder, at: str) -> str:
    if not _get(holder, "question", str, at).strip():
        raise UserError(f"{at}: 'question' is empty")
    return holder["question"]


def _objects(holder, field: str, at: str) -> Iterator[tuple[dict, str]]:
    """Yields the objects of a list, each with the words that tell where it is."""
    for number, value in enumerate(_get(holder, field, list, at), 1):
        here = f"{at}{':' if field == 'data' else ','} {field} {number}"
        if not isinstance(value, dict):
            raise UserError(f"{here} is no object")
        yield value, here


def _get(holder, field: str, kind, at: str):
    value = holder.get(field) if isinstance(holder, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = {list: "a list", str: "a text", int: "a number"}
        raise UserError(f"{at} has no '{field}' that is {kinds.get(kind, 'a text or a number')}")
    if isinstance(value, str) and not is_unicode(value):
        raise UserError(f"{at}: '{field}' has an unpaired surrogate")
    return value
