"""Evaluates a finished run on a split: `python -m apps.speech.evaluate --run FOLDER`."""

import dataclasses

from apps.speech.config import Config, Evaluation, configure
from pipelines.commands import runs
from pipelines.commands.entry import command


@command(Evaluation, Config, resolve=configure)
def main(arguments, config):
    """Transcribes the split and writes metrics, transcripts and attention maps into the run."""
    from apps.speech import data
    from apps.speech.inference import Recognizer

    recognizer = Recognizer.load(arguments.preset or arguments.run, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    folder = arguments.folder
    if arguments.preset is not None:
        runs.make_folder(folder)
        runs.write_json(folder / "config.json", dataclasses.asdict(config))
    recognizer.evaluate(rows, runs.Report(folder, config.dataset, arguments.split))


if __name__ == "__main__":
    main()
