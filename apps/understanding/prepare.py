"""Prepares texts once: `python -m apps.understanding.prepare --help`."""

from apps.understanding.config import PRESETS, Config, Preparation
from pipelines.commands.disk.prepared_data import configure
from pipelines.commands.entry import command


@command(Preparation, Config, resolve=configure(Config), presets=PRESETS)
def main(arguments, config):
    """Writes the ids of texts, and their labels, tags or answers, as training takes them."""
    from apps.understanding.preparation import PreparedTexts
    from pipelines.data.prepared import making

    making.prepare(PreparedTexts, config, arguments)


if __name__ == "__main__":
    main()
