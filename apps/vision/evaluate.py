"""Evaluates a finished run on a split: `python -m apps.vision.evaluate --run FOLDER`."""

from pathlib import Path

from apps.vision.config import Config, Evaluation
from pipelines.commands import runs
from pipelines.commands.entry import command


@command(Evaluation, Config)
def main(arguments, config):
    """Classifies the split and writes metrics, predictions and attention maps into the run."""
    from apps.vision import data
    from apps.vision.inference import Classifier

    classifier = Classifier.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    report = runs.Report(Path(arguments.run), config.dataset, arguments.split)
    classifier.evaluate(rows, report, arguments.test_flip)


if __name__ == "__main__":
    main()
