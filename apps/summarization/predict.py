"""Summarizes with a finished run: `python -m apps.summarization.predict --input TEXT`."""

from apps.summarization.config import Config, Prediction
from pipelines.commands import text_input
from pipelines.commands.disk.files import MapsFolder
from pipelines.commands.entry import command
from pipelines.commands.terminal import note


def read(arguments, config):
    """The documents to summarize."""
    return text_input.read(arguments.input, by_line=False)


@command(Prediction, Config, read=read)
def main(arguments, config, documents):
    """Prints a summary of each document, blank for a blank one, and writes attention maps.

    Standard output holds the summaries alone, so that it can be piped.
    """
    from apps.summarization import maps
    from apps.summarization.inference import Summarizer
    from pipelines.decoding.text_generator import print_lines

    summarizer = Summarizer.load(arguments.run, config)
    folder = MapsFolder(arguments.output, arguments.run)
    results = summarizer.predict(documents, alternatives=0)
    print_lines(results, "documents", config.max_source)
    shown = [result for result in results if result.source]
    note(folder.draw(maps.draw, shown, arguments.examples))


if __name__ == "__main__":
    main()
