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


def draw_each(folder, results, most=ON_PAGE):
    """Writes the maps of the first captions, each as a PNG too.

    Returns:
        The path of their page; of a single map, that of its PNG.
    """
    names = [Path(result.image).name for result in results[:most]]
    maps = [result.attention for result in results[:most]]
    page = gallery.write(folder, maps, names, pictures=len(maps))
    return page if len(results) > 1 else folder / f"{names[0]}.png"
