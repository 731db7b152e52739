"""Evaluates a finished run on a split: `python -m apps.speech.evaluate --run FOLDER`."""

from apps.speech.config import Config, Evaluation, configure
from pipelines.commands import evaluations
from pipelines.commands.entry import command


def report(arguments, config):
    """Where to write to: the run, or what is named after the preset."""
    return evaluations.report(arguments, config, run=arguments.folder)


@command(Evaluation, Config, resolve=configure, read=report)
def main(arguments, config, report):
    """Transcribes the split and writes metrics, transcripts and attention maps."""
    from apps.speech import data
    from apps.speech.inference import Recognizer

    recognizer = Recognizer.load(arguments.preset or arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    recognizer.evaluate(rows, report)


if __name__ == "__main__":
    main()
