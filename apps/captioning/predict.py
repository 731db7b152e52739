"""Captions images with a finished run: `python -m apps.captioning.predict --input PATH`."""

from apps.captioning.config import Config, Prediction
from pipelines.commands import errors
from pipelines.commands.disk.files import MapsFolder
from pipelines.commands.entry import command
from pipelines.commands.terminal import console


def read(arguments, config):
    """The files of the images to caption."""
    from pipelines.images import image_files

    return image_files.find(arguments.input)


@command(Prediction, Config, read=read)
def main(arguments, config, files):
    """Prints a caption for each image, and writes attention maps: a PNG each, and one page.

    A single image that cannot be read is an error; of a folder it is skipped, with a line.
    """
    from apps.captioning import maps
    from apps.captioning.inference import Captioner

    captioner = Captioner.load(arguments.run, config)
    folder = MapsFolder(arguments.output, arguments.run)
    skipped = None if len(files) == 1 else []
    results = captioner.predict(files, skipped, alternatives=0)
    for _, error in skipped or ():
        console.print(f"skipped: {error}")
    for result in results:
        console.print(f"{result.image}: {result.text}")
    results = [result for result in results if result.words]
    if not results:
        raise errors.UserError("no caption: none of the images could be read and described")
    console.print(folder.draw(maps.draw_each, results, arguments.examples))


if __name__ == "__main__":
    main()
