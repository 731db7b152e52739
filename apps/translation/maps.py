"""The attention of translations as images, a page and arrays."""

import functools

from pipelines.maps import alignments, gallery

ON_PAGE = 24

align = functools.partial(alignments.align, labels=alignments.Labels(target="translation"))


def draw(folder, results, scores=None, most=ON_PAGE):
    """Writes the maps of the first translations into a folder; returns the path of their page."""
    shown = [result.attention for result in results[:most]]
    return gallery.write(folder, shown, scores=scores)
