"""The attention of a task's model as images, a page and arrays."""

from pipelines.maps import gallery

ON_PAGE = 24


def draw(folder, reader, readings, scores=None):
    """Writes the maps of the first rows into a folder; returns the path of their page.

    Args:
        folder: Made if it does not exist.
        reader: The `Reader`, which makes all of the maps together.
        readings: What its `predict` returned.
        scores: Metrics for the page.
    """
    return gallery.write(folder, reader.look(readings[:ON_PAGE]), scores=scores)
