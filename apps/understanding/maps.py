"""The attention of a task's model as images, a page and arrays."""

from pipelines.maps import gallery

ON_PAGE = 24


def draw(reader, folder, readings, scores=None, most=ON_PAGE):
    """Writes the maps of the first rows into a folder; returns the path of their page.

    Args:
        reader: The `Reader`, which makes all of the maps together.
        folder: Made if it does not exist.
        readings: What its `predict` returned.
        scores: Metrics for the page.
        most: How many at most.
    """
    return gallery.write(folder, reader.look(readings[:most]), scores=scores)
