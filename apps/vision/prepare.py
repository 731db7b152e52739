"""Prepares images once: `python -m apps.vision.prepare --help`."""

from apps.vision.config import PRESETS, Config, Preparation
from pipelines.commands.disk.prepared_data import configure
from pipelines.commands.entry import command


@command(Preparation, Config, resolve=configure(Config), presets=PRESETS)
def main(arguments, config):
    """Writes images and their labels as training takes them."""
    from apps.vision.preparation import PreparedImages
    from pipelines.data.prepared import making

    making.prepare(PreparedImages, config, arguments)


if __name__ == "__main__":
    main()
