"""Reads texts with a finished run: `python -m apps.understanding.predict --input TEXT`."""

import functools

from apps.understanding.config import Config, Prediction
from apps.understanding.tasks import inputs
from pipelines.commands.disk.files import MapsFolder
from pipelines.commands.entry import command
from pipelines.commands.terminal import note


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
    folder = MapsFolder(arguments.output, arguments.run)
    results = reader.predict([row for row in rows if row is not None])
    lines = (result.line for result in results)
    for row in rows:
        print("" if row is None else next(lines), flush=True)  # Its fields are escaped.
    if cut := sum(result.truncated for result in results):
        room = config.max_length - 2
        note(f"{cut:,} of {len(results):,} texts truncated to {room} tokens")
    draw = functools.partial(maps.draw, reader)
    note(folder.draw(draw, results, arguments.examples))


if __name__ == "__main__":
    main()
