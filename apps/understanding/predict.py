"""Reads texts with a finished run: `python -m apps.understanding.predict --input TEXT`."""

import json
import sys
from pathlib import Path

from apps.understanding.config import Config, Prediction
from pipelines.commands import devices, errors, flags, runs, text_input
from pipelines.text import lower_words


@errors.main
def main(argv=None):
    """Reads the flags, then the texts, and draws what the model looked at."""
    arguments = flags.parse(Prediction, argv, prog="python -m apps.understanding.predict")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    rows = read_input(config.task, arguments.input, arguments.question)
    output = Path(arguments.output or folder / "predictions")
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.understanding.reading import Reader
    if arguments.device == "gpu":
        devices.require_gpu()
    predict(Reader.load(folder, config), rows, output)


def read_input(task, wanted, question=None):
    """The rows that a user asks for, `None` for a blank line.

    Raises:
        UserError: There is nothing, or not what the task needs.
    """
    if task != "qa":
        if question is not None:
            raise errors.UserError(f"--question goes with a run of qa; this one is of {task}")
        lines = [line.strip() for line in text_input.read(wanted)]
        if task == "sentiment":
            return [{"text": line} if line else None for line in lines]
        return [{"text": line, "tokens": _words(line)} if line else None for line in lines]
    if ".jsonl" in Path(wanted).suffixes and question is None:
        return _read_questions(Path(wanted))
    if question is None:
        raise errors.UserError(
            "--question is missing: this run answers questions, with the context in --input"
        )
    if not question.strip():
        raise errors.UserError("--question is empty")
    (context,) = text_input.read(wanted, by_line=False)
    return [{"context": context, "question": question}]


def _words(line):
    """The words and signs of a line; one that is split already stays as it is."""
    return [line[start:end] for start, end in lower_words.find(line)]


def _read_questions(path):
    from pipelines.data import json_lines

    if not path.is_file():
        raise errors.UserError(f"there is no file {path}")
    rows = json_lines.read(path, {"context": str, "question": str})
    return [{"context": row["context"], "question": row["question"]} for row in rows]


def predict(reader, rows, output):
    """Prints a line for each row, blank for a blank one, and writes maps of the first.

    Standard output holds the results alone, so that it can be piped: label and probability; the
    words with their tags, as `word/B-type`; or the answer as it stands in the context, in a line.
    """
    from apps.understanding import maps

    runs.make_folder(output)
    asked = [row for row in rows if row is not None]
    found = reader.read(asked)
    _warn_of_cut(reader, asked)
    results = iter(zip(asked, found, strict=True))
    for row in rows:
        print("" if row is None else _line(reader.config.task, *next(results)))
    page = maps.draw(output, reader, asked, found, None)
    print(f"what it looked at: {page}", file=sys.stderr)


def _line(task, row, one):
    if task == "sentiment":
        if isinstance(one["label"], str):
            return f"{one['label']}\t{one['probability']:.3f}"
        return json.dumps(dict(zip(one["label"], one["probability"], strict=True)))
    if task == "ner":
        pairs = zip(row["tokens"], one["tags"], strict=True)
        return " ".join(word if tag == "O" else f"{word}/{tag}" for word, tag in pairs)
    return " ".join(one["answer"].splitlines())


def _warn_of_cut(reader, rows):
    if reader.config.task != "sentiment":
        return
    room = reader.config.max_length - 2
    long = sum(len(reader.tokenizer.encode(row["text"])[0]) > room for row in rows)
    if long:
        print(f"{long:,} of {len(rows):,} texts cut to {room} tokens", file=sys.stderr)


if __name__ == "__main__":
    main()
