"""Prepares images and captions once: `python -m apps.captioning.prepare --help`."""

from apps.captioning.config import PRESETS, Config, Preparation
from pipelines.commands.disk.prepared_data import configure
from pipelines.commands.entry import command


@command(Preparation, Config, resolve=configure(Config), presets=PRESETS)
def main(arguments, config):
    """Writes the images and the tokens of their captions as training takes them."""
    from apps.captioning.preparation import PreparedCaptions
    from pipelines.data.prepared import making

    making.prepare(PreparedCaptions, config, arguments)


if __name__ == "__main__":
    main()
