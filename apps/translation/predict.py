"""Translates with a finished run: `python -m apps.translation.predict --input TEXT`."""

import sys
from pathlib import Path

from apps.translation.config import Config, Prediction, configure
from pipelines.commands import runs, text_input
from pipelines.commands.entry import command


def read(arguments, config):
    """The lines to translate."""
    return text_input.read(arguments.input)


@command(Prediction, Config, resolve=configure, read=read)
def main(arguments, config, lines):
    """Prints a translation for each line, blank for a blank one, and writes attention maps.

    Standard output holds the translations alone, so that it can be piped.
    """
    from apps.translation import maps
    from apps.translation.inference import Translator
    from pipelines.decoding.text_generator import print_lines

    translator = Translator.load(arguments.run, config)
    output = runs.make_folder(arguments.output or Path(arguments.run) / "predictions")
    results = translator.predict(lines, alternatives=0)
    print_lines(results, "lines", config.max_source)
    page = maps.draw(output, [result for result in results if result.source])
    print(f"attention maps: {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
