"""Evaluates a finished run on a split: `python -m apps.understanding.evaluate --run FOLDER`."""

from apps.understanding.config import Config, Evaluation
from pipelines.commands import evaluations
from pipelines.commands.entry import command


@command(Evaluation, Config, read=evaluations.report)
def main(arguments, config, report):
    """Writes metrics, predictions and attention maps of a split."""
    from apps.understanding import data
    from apps.understanding.inference import Reader

    reader, split = Reader.load(arguments.run, config), arguments.split
    # A baseline is made of the training rows of the run, not of another data set.
    with_training = reader.task.has_baseline and arguments.dataset is None
    splits = data.read(config, ("train", split) if with_training else (split,))
    reader.task.report_unknown(splits[split], split, reader.classes)
    reader.evaluate(splits[split], report, training=splits.get("train"))


if __name__ == "__main__":
    main()
