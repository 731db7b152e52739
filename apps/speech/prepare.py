"""Prepares spectrograms and transcripts once: `python -m apps.speech.prepare --help`."""

from apps.speech.config import PRESETS, Config, Preparation
from pipelines.commands.disk.prepared_data import configure
from pipelines.commands.entry import command


@command(Preparation, Config, resolve=configure(Config), presets=PRESETS)
def main(arguments, config):
    """Writes spectrograms and the units of their transcripts as training takes them."""
    from apps.speech.preparation import PreparedSpeech
    from pipelines.data.prepared import making

    making.prepare(PreparedSpeech, config, arguments)


if __name__ == "__main__":
    main()
