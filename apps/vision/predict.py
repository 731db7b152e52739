"""Classifies images with a finished run: `python -m apps.vision.predict --input PATH`."""

import functools

from apps.vision.config import Config, Prediction
from pipelines.commands import errors
from pipelines.commands.disk.files import MapsFolder
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
    folder = MapsFolder(arguments.output, arguments.run)
    skipped = [] if len(files) > 1 else None
    results = classifier.predict(files, skipped, arguments.test_flip)
    for _, error in skipped or ():
        console.print(f"skipped: {error}")
    if not results:
        raise errors.UserError("none of the images could be read")
    for result in results:
        classes = ", ".join(f"{name} ({share:.1%})" for name, share in maps.shown(result))
        console.print(f"{result.image}: {classes}")
    draw = functools.partial(maps.draw_each, classifier.model)
    line = folder.draw(draw, results, arguments.examples)
    if skipped:
        console.print(f"{len(skipped)} of {len(files)} images cannot be read: skipped")
    console.print(line)


if __name__ == "__main__":
    main()
