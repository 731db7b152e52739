"""Evaluates a finished run on a split: `python -m apps.captioning.evaluate --run FOLDER`."""

from apps.captioning.config import Config, Evaluation
from pipelines.commands import evaluations
from pipelines.commands.entry import command


@command(Evaluation, Config, read=evaluations.report)
def main(arguments, config, report):
    """Captions the split and writes metrics, captions and attention maps."""
    from apps.captioning import data
    from apps.captioning.inference import Captioner

    captioner = Captioner.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    captioner.evaluate(rows, report)


if __name__ == "__main__":
    main()
