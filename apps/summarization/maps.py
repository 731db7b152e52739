"""The attention of summaries as images, a page and arrays."""

import functools

from pipelines.maps import alignments, gallery

ON_PAGE = 24

align = functools.partial(
    alignments.align, labels=alignments.Labels(source="document", target="summary")
)


def draw(folder, results, scores=None, most=ON_PAGE):
    """Writes the maps of the first summaries into a folder; returns the path of their page."""
    shown = [result.attention for result in results[:most]]
    return gallery.write(folder, shown, scores=scores)
