"""Transcribes with a finished run: `python -m apps.speech.predict --input FILE`."""

from apps.speech.config import Config, Prediction, configure
from pipelines.commands.disk.files import MapsFolder
from pipelines.commands.entry import command
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import answer, note


def find(arguments, config):
    """The audio files to transcribe."""
    from pipelines.audio import audio_files

    return audio_files.find(arguments.input)


@command(Prediction, Config, resolve=configure, read=find)
def main(arguments, config, files):
    """Prints the transcript of each file, with its name if there are several, and writes maps.

    Standard output holds the transcripts alone, so that it can be piped. A single file that cannot
    be read is an error; of a folder it is skipped, with a line.
    """
    from apps.speech import data, maps
    from apps.speech.inference import Recognizer

    recognizer = Recognizer.load(arguments.preset or arguments.run, config)
    utterances, errors = data.Utterances.of(files).readable()
    for error in errors.values():
        if len(files) == 1:
            raise error
        note(f"skipped: {error}")
    if not utterances.rows:
        raise UserError("none of the audio files can be read")
    folder = MapsFolder(arguments.output, arguments.folder)
    results = recognizer.predict(utterances, alternatives=0)
    for result in results:
        answer(*([] if len(files) == 1 else [result.file_name]), result.text)
    note(folder.draw(maps.draw, results, arguments.examples))


if __name__ == "__main__":
    main()
