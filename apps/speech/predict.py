"""Transcribes with a finished run: `python -m apps.speech.predict --input FILE`."""

import sys
from pathlib import Path

from apps.speech.config import Prediction
from apps.speech.evaluate import resolve
from pipelines import console, runs


@console.main
def main(argv=None):
    """Reads the flags, transcribes, and draws where each word was heard."""
    arguments = console.parse(Prediction, argv, prog="python -m apps.speech.predict")
    folder, config = resolve(arguments)
    if not arguments.input:
        raise console.UserError("--input is missing: a sound file, or a folder of them")
    console.select_device(arguments.device, config.op_threads)
    with console.quiet_start():
        import tensorflow  # noqa: F401

        from apps.speech.evaluate import load
    if arguments.device == "gpu":
        console.require_gpu()
    output = Path(arguments.output or folder / "predictions")
    predict(config, load(folder, config), arguments.input, output)


def predict(config, recognizer, wanted, output):
    """Prints the transcript of each sound, with its name if there are several, and writes maps.

    Standard output holds the transcripts alone, so that it can be piped. A single sound that cannot
    be read is an error; of a folder it is skipped, with a line.
    """
    from apps.speech.evaluate import draw
    from pipelines import audio

    files, sounds = [], []
    found = audio.find(wanted)
    for file in found:
        try:
            sounds.append(recognizer.front_end.read(audio.read(file)))
            files.append(file)
        except console.UserError as error:
            if len(found) == 1:
                raise
            print(f"skipped: {error}", file=sys.stderr)
    if not files:
        raise console.UserError("none of the sounds could be read")
    runs.make_folder(output)
    heard = recognizer.transcribe(sounds, config.decode_batch_size)
    for file, one in zip(files, heard, strict=True):
        print(one.text if len(found) == 1 else f"{file}\t{one.text}")
    rows = [{"file_name": file, "text": ""} for file in files]
    page = draw(output, heard, rows, recognizer, None)
    print(f"where the words were heard: {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
