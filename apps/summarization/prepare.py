"""Prepares documents and summaries once: `python -m apps.summarization.prepare --help`."""

from apps.summarization.config import PRESETS, Config, Preparation
from pipelines.commands.disk.prepared_data import configure
from pipelines.commands.entry import command


@command(Preparation, Config, resolve=configure(Config), presets=PRESETS)
def main(arguments, config):
    """Writes the ids of documents and summaries as training takes them."""
    from apps.summarization.preparation import PreparedDocuments
    from pipelines.data.prepared import making

    making.prepare(PreparedDocuments, config, arguments)


if __name__ == "__main__":
    main()
