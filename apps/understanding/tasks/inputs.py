"""What `predict --input` means for each task."""

import json
from pathlib import Path

import regex

from pipelines.commands import text_input
from pipelines.commands.errors import UserError
from pipelines.data import fields
from pipelines.data.fields import Field
from pipelines.data.formats import json_lines
from pipelines.text import lower_words

QUESTION = {"context": Field(("context",)), "question": Field(("question",))}
# What tells that the marks of a text stand apart from its words, and that they hang on them: behind
# or before one, a full stop at the end alone, as abbreviations have theirs; or no spaces at all.
_APART = regex.compile(r"""(?<!\S)(?:[.,"“”]|''|``)(?!\S)""")
_HANGING = regex.compile(
    r"""(?V1)(?x)
    \w ["”»)\]]* [,;:!?…] ["”»)\]]* (?!\S)
    | \w \.+ ["”»)\]]* $
    | (?<!\S) ["“«(\[]+ \w
    | \w ["”»)\]]+ (?!\S)
    | [。！？、，]
    | ^ \S* [\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}]{2} \S* $
    """
)


def read(task, wanted, question=None):
    """The rows that a user asks for, before anything slow is imported.

    Args:
        task: Its name.
        wanted: A text, the path of a file, or "-" for standard input.
        question: To be answered out of the context in `wanted`.

    Returns:
        A row for each line, `None` for a blank one.

    Raises:
        UserError: There is nothing, or not what the task needs.
    """
    if task == "qa":
        return _questions(wanted, question)
    if question is not None:
        raise UserError(f"--question goes with a run of qa; this one is of {task}")
    if task == "ner":
        lines, row_of = text_input.read(wanted, tokens=True), sentence_row
    else:
        lines, row_of = text_input.read(wanted), text_row
    lines = (line.strip() if isinstance(line, str) else line for line in lines)
    return [row_of(line) if line else None for line in lines]


def text_row(text):
    """The row of a text to classify."""
    return {"text": text}


def sentence_row(sentence):
    """The row of a sentence to tag: its words and punctuation marks, as in training.

    Args:
        sentence: A list of tokens; or a text, which may be such a list in JSON, or an object with
            it as `tokens`. A text that is split by spaces already, so that no punctuation mark
            hangs on a word, stays as it is. Of another the words and marks are found.
    """
    if isinstance(sentence, list):
        return {"tokens": sentence}
    if tokens := _json_tokens(sentence):
        return {"tokens": tokens}
    if _is_split(sentence):
        return {"text": sentence, "tokens": sentence.split()}
    words = [sentence[start:end] for start, end in lower_words.find(sentence)]
    return {"text": sentence, "tokens": words}


def _json_tokens(text):
    """The tokens that a text is in JSON, or `None` of a text that only begins like JSON."""
    if text[:1] not in ("[", "{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and "tokens" in value:
        value = value["tokens"]
        if not text_input.is_tokens(value):
            raise UserError("'tokens' must be a list of texts, none of them blank")
    if not text_input.is_tokens(value):
        return None
    if not all(map(text_input.is_unicode, value)):
        raise UserError("'tokens' has an unpaired surrogate")
    return value


def _is_split(text):
    """Whether the punctuation marks of a text stand apart from its words, as far as it has any."""
    return bool(_APART.search(text)) or not _HANGING.search(text)


def _questions(wanted, question):
    if question is None and ".jsonl" in Path(wanted).suffixes:
        return _read_questions(Path(wanted))
    if question is None:
        raise UserError(
            "--question is missing: this run answers questions, with the context in --input"
        )
    if not question.strip():
        raise UserError("--question is empty")
    if ".jsonl" in Path(wanted).suffixes:
        raise UserError("--question goes with a text: the lines of a .jsonl file have their own")
    (context,) = text_input.read(wanted, by_line=False)
    return [{"context": context, "question": question}]


def _read_questions(path):
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    rows = []
    for where, record in json_lines.records(path):
        try:
            if isinstance(record, ValueError):
                raise record
            rows.append(fields.row(record, QUESTION))
        except ValueError as error:
            raise UserError(f"{where}: {error}") from error
    if not rows:
        raise UserError(f"{path} is empty")
    return [{"context": row["context"], "question": row["question"]} for row in rows]
