"""The attention of captions as images, a page and arrays."""

from pathlib import Path

from pipelines.maps import gallery

IMAGE_SIZE = 256  # Width and height of an image under a map, in pixels.
ON_PAGE = 24


def draw(folder, results, scores):
    """Writes the maps of the first captions of a split; returns the path of their page."""
    shown = [result for result in results if result.words][:ON_PAGE]
    names = [Path(result.image).stem for result in shown]
    return gallery.write(folder, [result.attention for result in shown], names, scores)


def draw_all(folder, results):
    """Writes the maps of all captions, each as a PNG too; returns the path of their page."""
    names = [Path(result.image).name for result in results]
    maps = [result.attention for result in results]
    return gallery.write(folder, maps, names, pictures=len(maps))
