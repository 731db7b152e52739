"""Evaluates a finished run on a split: `python -m apps.vision.evaluate --run FOLDER`."""

from apps.vision.config import Config, Evaluation
from pipelines.commands import evaluations
from pipelines.commands.entry import command


@command(Evaluation, Config, read=evaluations.report)
def main(arguments, config, report):
    """Classifies the split and writes metrics, predictions and attention maps."""
    from apps.vision import data
    from apps.vision.inference import Classifier

    classifier = Classifier.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    classifier.evaluate(rows, report, arguments.test_flip)


if __name__ == "__main__":
    main()
