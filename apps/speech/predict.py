"""Transcribes with a finished run: `python -m apps.speech.predict --input FILE`."""

import sys
from pathlib import Path

from apps.speech.config import Prediction
from apps.speech.evaluate import resolve
from pipelines.commands import devices, errors, flags, runs


@errors.main
def main(argv=None):
    """Reads the flags, transcribes, and draws where each word was heard."""
    arguments = flags.parse(Prediction, argv, prog="python -m apps.speech.predict")
    folder, config = resolve(arguments)
    if not arguments.input:
        raise errors.UserError("--input is missing: a sound file, or a folder of them")
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.speech.evaluate import load
    if arguments.device == "gpu":
        devices.require_gpu()
    output = Path(arguments.output or folder / "predictions")
    predict(config, load(folder, config), arguments.input, output)


def predict(config, recognizer, wanted, output):
    """Prints the transcript of each sound, with its name if there are several, and writes maps.

    Standard output holds the transcripts alone, so that it can be piped. A single sound that cannot
    be read is an error; of a folder it is skipped, with a line.
    """
    from apps.speech.evaluate import draw
    from pipelines.audio import audio_files

    files, sounds = [], []
    found = audio_files.find(wanted)
    for file in found:
        try:
            sounds.append(recognizer.front_end.read(audio_files.read(file)))
            files.append(file)
        except errors.UserError as error:
            if len(found) == 1:
                raise
            print(f"skipped: {error}", file=sys.stderr)
    if not files:
        raise errors.UserError("none of the sounds could be read")
    runs.make_folder(output)
    heard = recognizer.transcribe(sounds, config.decode_batch_size)
    for file, one in zip(files, heard, strict=True):
        print(one.text if len(found) == 1 else f"{file}\t{one.text}")
    rows = [{"file_name": file, "text": ""} for file in files]
    page = draw(output, heard, rows, recognizer, None)
    print(f"where the words were heard: {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
