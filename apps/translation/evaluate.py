"""Evaluates a finished run on a split: `python -m apps.translation.evaluate --run FOLDER`."""

from apps.translation.config import Config, Evaluation, configure
from pipelines.commands import evaluations
from pipelines.commands.entry import command


def report(arguments, config):
    """Where to write to, and what the report calls the data."""
    return evaluations.report(arguments, config, dataset=config.data_of(arguments.split))


@command(Evaluation, Config, resolve=configure, read=report)
def main(arguments, config, report):
    """Translates the split and writes metrics, translations and attention maps."""
    from apps.translation import data
    from apps.translation.inference import Translator

    translator = Translator.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    translator.evaluate(rows, report)


if __name__ == "__main__":
    main()
