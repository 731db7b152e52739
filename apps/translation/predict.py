"""Translates with a finished run: `python -m apps.translation.predict --input TEXT`."""

from apps.translation.config import Config, Prediction, configure
from pipelines.commands import text_input
from pipelines.commands.disk.files import MapsFolder
from pipelines.commands.entry import command
from pipelines.commands.terminal import note


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
    folder = MapsFolder(arguments.output, arguments.run)
    results = translator.predict(lines, alternatives=0)
    print_lines(results, "lines", config.max_source)
    shown = [result for result in results if result.source]
    note(folder.draw(maps.draw, shown, arguments.examples))


if __name__ == "__main__":
    main()
