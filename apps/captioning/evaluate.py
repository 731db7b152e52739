"""Evaluates a finished run on a split: `python -m apps.captioning.evaluate --run FOLDER`."""

from pathlib import Path

from apps.captioning.config import Config, Evaluation
from pipelines.commands import runs
from pipelines.commands.entry import command


@command(Evaluation, Config)
def main(arguments, config):
    """Captions the split and writes metrics, captions and attention maps into the run."""
    from apps.captioning import data
    from apps.captioning.inference import Captioner

    captioner = Captioner.load(arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    captioner.evaluate(rows, runs.Report(Path(arguments.run), config.dataset, arguments.split))


if __name__ == "__main__":
    main()
