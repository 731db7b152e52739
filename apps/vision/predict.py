"""Names what pictures show with a finished run: `python -m apps.vision.predict --input PATH`."""

from pathlib import Path

from apps.vision.config import Config, Prediction
from pipelines import console, runs


@console.main
def main(argv=None):
    """Reads the flags, classifies the pictures, and draws what was looked at."""
    arguments = console.parse(Prediction, argv, prog="python -m apps.vision.predict")
    if not arguments.input:
        raise console.UserError("--input is missing: a picture, or a folder of pictures")
    from pipelines import images

    folder = Path(arguments.run)
    config = console.override(runs.load(folder, Config), arguments)
    files = images.find(arguments.input)
    output = Path(arguments.output or folder / "predictions")
    console.select_device(arguments.device, config.op_threads)
    with console.quiet_start():
        import tensorflow  # noqa: F401

        from apps.vision.evaluate import load
    if arguments.device == "gpu":
        console.require_gpu()
    classifier, names = load(folder)
    predict(config, classifier, names, files, output)


def predict(config, classifier, names, files, output):
    """Prints the likeliest classes of each picture, and draws what was looked at.

    A single picture that cannot be read is an error; of a folder it is skipped, with a line.
    """
    from apps.vision import maps
    from apps.vision.evaluate import make_scorer

    scorer = make_scorer(classifier, config)
    *_, size, channels = classifier.tokenizer.input_shape
    shown = []
    for start in range(0, len(files), config.batch_size):
        batch = files[start : start + config.batch_size]
        readable, pixels = load_batch(batch, size, channels, alone=len(files) == 1)
        if not readable:
            continue
        for file, shares in zip(readable, scorer.predict_on_batch(pixels), strict=True):
            console.console.print(
                f"{file}: {likeliest(shares, names)}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            shown.append((file, shares))
    if not shown:
        raise console.UserError("none of the pictures could be read")
    runs.make_folder(output)
    page = maps.draw(output, classifier, *zip(*shown, strict=True), names)
    console.console.print(f"what was looked at: {page}", highlight=False, soft_wrap=True)


def load_batch(files, size, channels, alone):
    """The files that can be read, and their pixels; one that stands alone must be readable."""
    import numpy as np

    from pipelines import images

    readable, pixels = [], []
    for file in files:
        try:
            pixels.append(images.load(file, size, channels))
            readable.append(file)
        except console.UserError as error:
            if alone:
                raise
            console.console.print(f"skipped: {error}", markup=False, soft_wrap=True)
    return readable, np.array(pixels, "float32")


def likeliest(shares, names, most=3):
    """The likeliest classes with their probabilities, as one line."""
    places = sorted(range(len(names)), key=lambda place: -shares[place])[:most]
    return ", ".join(f"{names[place]} {shares[place]:.1%}" for place in places)


if __name__ == "__main__":
    main()
