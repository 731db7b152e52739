"""Evaluates a finished run on a split: `python -m apps.translation.evaluate --run FOLDER`."""

from pathlib import Path

from apps.translation.config import Config, Evaluation, configure
from pipelines.commands import runs
from pipelines.commands.entry import command


@command(Evaluation, Config, resolve=configure)
def main(arguments, config):
    """Translates the split and writes metrics, translations and attention maps into the run."""
    from apps.translation import data
    from apps.translation.inference import Translator

    translator = Translator.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    name = data.name(config, arguments.split)
    translator.evaluate(rows, runs.Report(Path(arguments.run), name, arguments.split))


if __name__ == "__main__":
    main()
