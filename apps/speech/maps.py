"""Where words were heard, as images, a page and arrays."""

from pipelines.maps import gallery

ON_PAGE = 24


def draw(folder, results, scores=None, most=ON_PAGE):
    """Writes the maps of the first transcripts into a folder; returns the path of their page."""
    shown = [result.attention for result in results[:most]]
    return gallery.write(folder, shown, scores=scores)
