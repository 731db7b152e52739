"""Reads texts with a finished run: `python -m apps.understanding.predict --input TEXT`."""

import sys
from pathlib import Path

from apps.understanding.config import Config, Prediction
from apps.understanding.tasks import inputs
from pipelines.commands import runs
from pipelines.commands.entry import command


def read(arguments, config):
    """The rows to read, `None` for a blank line."""
    return inputs.read(config.task, arguments.input, arguments.question)


@command(Prediction, Config, read=read)
def main(arguments, config, rows):
    """Prints a line for each row, blank for a blank one, and writes attention maps.

    Standard output holds the results alone, so that it can be piped: label and probability; the
    words with their tags, as `word/B-type`; or the answer as it stands in the context.
    """
    from apps.understanding import maps
    from apps.understanding.inference import Reader

    reader = Reader.load(arguments.run, config)
    output = runs.make_folder(arguments.output or Path(arguments.run) / "predictions")
    results = reader.predict([row for row in rows if row is not None])
    lines = (result.line for result in results)
    for row in rows:
        print("" if row is None else next(lines))
    if cut := sum(result.truncated for result in results):
        room = config.max_length - 2
        print(f"{cut:,} of {len(results):,} texts truncated to {room} tokens", file=sys.stderr)
    print(f"attention maps: {maps.draw(output, reader, results)}", file=sys.stderr)


if __name__ == "__main__":
    main()
