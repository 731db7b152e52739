"""Classifies images with a finished run: `python -m apps.vision.predict --input PATH`."""

from pathlib import Path

from apps.vision.config import Config, Prediction
from pipelines.commands import errors, runs
from pipelines.commands.entry import command
from pipelines.commands.terminal import console


def read(arguments, config):
    """The files of the images to classify."""
    from pipelines.images import image_files

    return image_files.find(arguments.input)


@command(Prediction, Config, read=read)
def main(arguments, config, files):
    """Prints the most probable classes of each image, and writes attention maps.

    A single image that cannot be read is an error; of a folder it is skipped, with a line.
    """
    from apps.vision import maps
    from apps.vision.inference import Classifier

    classifier = Classifier.load(arguments.run, config)
    output = runs.make_folder(arguments.output or Path(arguments.run) / "predictions")
    skipped = [] if len(files) > 1 else None
    results = classifier.predict(files, skipped, arguments.test_flip)
    for _, error in skipped or ():
        console.print(f"skipped: {error}")
    if not results:
        raise errors.UserError("none of the images could be read")
    for result in results:
        classes = ", ".join(f"{name} ({share:.1%})" for name, share in maps.shown(result))
        console.print(f"{result.image}: {classes}")
    names = [result.image.name for result in results]
    page = maps.draw(output, classifier.model, results, names, pictures=len(results))
    if skipped:
        console.print(f"{len(skipped)} of {len(files)} images cannot be read: skipped")
    console.print(f"attention maps: {page if len(files) > 1 else output / f'{names[0]}.png'}")


if __name__ == "__main__":
    main()
