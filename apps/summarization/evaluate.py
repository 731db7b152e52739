"""Evaluates a finished run on a split: `python -m apps.summarization.evaluate --run FOLDER`."""

from apps.summarization.config import Config, Evaluation
from pipelines.commands import evaluations
from pipelines.commands.entry import command


@command(Evaluation, Config, read=evaluations.report)
def main(arguments, config, report):
    """Summarizes the split and writes metrics, summaries and attention maps."""
    from apps.summarization import data
    from apps.summarization.inference import Summarizer

    summarizer = Summarizer.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    summarizer.evaluate(rows, report)


if __name__ == "__main__":
    main()
