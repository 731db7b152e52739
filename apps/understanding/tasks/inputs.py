"""What `predict --input` means for each task."""

from pathlib import Path

from pipelines.commands import text_input
from pipelines.commands.errors import UserError
from pipelines.data import json_lines
from pipelines.text import lower_words


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
    row_of = {"sentiment": text_row, "ner": sentence_row}[task]
    lines = (line.strip() for line in text_input.read(wanted))
    return [row_of(line) if line else None for line in lines]


def text_row(text):
    """The row of a text to classify."""
    return {"text": text}


def sentence_row(text):
    """The row of a sentence to tag: its words and punctuation marks.

    One that is split by spaces already stays as it is.
    """
    return {"text": text, "tokens": [text[start:end] for start, end in lower_words.find(text)]}


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
    rows = json_lines.read(path, {"context": str, "question": str})
    return [{"context": row["context"], "question": row["question"]} for row in rows]
