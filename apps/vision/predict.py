"""Names what pictures show with a finished run: `python -m apps.vision.predict --input PATH`."""

from pathlib import Path

from apps.vision.config import Config, Prediction
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags, classifies the pictures, and draws what was looked at."""
    arguments = flags.parse(Prediction, argv, prog="python -m apps.vision.predict")
    if not arguments.input:
        raise errors.UserError("--input is missing: a picture, or a folder of pictures")
    from pipelines.images import image_files

    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    files = image_files.find(arguments.input)
    output = Path(arguments.output or folder / "predictions")
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.vision.evaluate import load
    if arguments.device == "gpu":
        devices.require_gpu()
    classifier, names = load(folder)
    predict(classifier, names, files, output, config.batch_size, arguments.test_flip)


def predict(classifier, names, files, output, batch_size, test_flip=False):
    """Prints the likeliest classes of each picture, and draws what was looked at.

    A single picture that cannot be read is an error; of a folder it is skipped, with a line, and
    counted at the end.
    """
    import numpy as np

    from apps.vision.evaluate import describe, draw, make_scorer, top

    scorer = make_scorer(classifier, test_flip)
    *_, size, channels = classifier.tokenizer.input_shape
    shown, seen, classes = [], [], []
    for start in range(0, len(files), batch_size):
        batch = files[start : start + batch_size]
        readable, pixels = load_batch(batch, size, channels, alone=len(files) == 1)
        if not readable:
            continue
        probabilities = scorer.predict_on_batch(pixels.astype("float32"))
        likeliest = [top(shares, names) for shares in probabilities]
        for file, pairs in zip(readable, likeliest, strict=True):
            said = ", ".join(f"{name} ({share:.1%})" for name, share in pairs)
            terminal.console.print(f"{file}: {said}")
        shown, classes = shown + readable, classes + likeliest
        seen.append(pixels)
    if not shown:
        raise errors.UserError("none of the pictures could be read")
    runs.make_folder(output)
    pixels, file_names = np.concatenate(seen), [file.name for file in shown]
    captions = [describe(pairs[0][0]) for pairs in classes]
    page = draw(output, classifier, pixels, shown, file_names, captions, classes, drawn=len(shown))
    page = output / f"{file_names[0]}.png" if len(files) == 1 else page
    if len(shown) < len(files):
        terminal.console.print(
            f"{len(files) - len(shown)} of {len(files)} pictures cannot be read: skipped"
        )
    terminal.console.print(f"what was looked at: {page}")


def load_batch(files, size, channels, alone):
    """The files that can be read, and their pixels; one that stands alone must be readable."""
    import numpy as np

    from pipelines.images import image_files

    readable, pixels = [], []
    for file in files:
        try:
            pixels.append(image_files.load(file, size, channels))
            readable.append(file)
        except errors.UserError as error:
            if alone:
                raise
            terminal.console.print(f"skipped: {error}")
    return readable, np.array(pixels)


if __name__ == "__main__":
    main()
