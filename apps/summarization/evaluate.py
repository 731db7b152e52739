"""Evaluates a finished run on a split: `python -m apps.summarization.evaluate --run FOLDER`."""

from pathlib import Path

from apps.summarization.config import Config, Evaluation
from pipelines.commands import runs
from pipelines.commands.entry import command


@command(Evaluation, Config)
def main(arguments, config):
    """Summarizes the split and writes metrics, summaries and attention maps into the run."""
    from apps.summarization import data
    from apps.summarization.inference import Summarizer

    summarizer = Summarizer.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    report = runs.Report(Path(arguments.run), config.dataset, arguments.split)
    summarizer.evaluate(rows, report)


if __name__ == "__main__":
    main()
