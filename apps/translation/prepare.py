"""Prepares pairs of texts once: `python -m apps.translation.prepare --help`."""

from apps.translation.config import PRESETS, Config, Preparation
from pipelines.commands.disk.prepared_data import configure
from pipelines.commands.entry import command


@command(Preparation, Config, resolve=configure(Config), presets=PRESETS)
def main(arguments, config):
    """Writes the ids of both sides as training takes them."""
    from apps.translation.preparation import PreparedPairs
    from pipelines.data.prepared import making

    making.prepare(PreparedPairs, config, arguments)


if __name__ == "__main__":
    main()
