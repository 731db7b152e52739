"""Whether captions are true, and whether the attention of their nouns points at the objects."""

from collections.abc import Mapping, Sequence

import numpy as np

from .verdict import judge


def score_objects(
    captions: Sequence[str],
    rows: Sequence[Mapping],
    peaks: Sequence[np.ndarray],
    image_sizes: Sequence[tuple[int, int]],
    grid: tuple[int, int],
) -> dict[str, float]:
    """Scores captions, and the attention of their words, against the objects of the images.

    Args:
        captions: One for each image.
        rows: Lines of the data set, each with the `objects` of its image.
        peaks: For each caption `(words, 2)`: row and column of the cell that each word of
            `caption.split()` attends to most.
        image_sizes: Width and height of each image, in pixels.
        grid: Rows and columns of the cells, which divide an image evenly.

    Returns:
        `attribute_accuracy`, the share of captions that are right in every colour, shape, count and
        relation that they name, and `pointing_accuracy`, the share of object words whose most
        attended cell has its centre in the box of an object that the word means. A word that can
        mean no object is a miss.

    Raises:
        ValueError: if the lengths differ, or nothing is given.
    """
    if not len(captions):
        raise ValueError("There is no caption to score.")
    right = hits = words = 0
    for caption, row, cells, (width, height) in zip(
        captions, rows, peaks, image_sizes, strict=True
    ):
        verdict = judge(caption, row["objects"])
        right += verdict.right
        cell = np.array([height / grid[0], width / grid[1]])
        for word, meant in verdict.mentions:
            centre = (cells[word] + 0.5) * cell
            hits += any(_holds(row["objects"][i]["box"], centre) for i in meant)
            words += 1
    return {
        "attribute_accuracy": right / len(captions),
        "pointing_accuracy": hits / max(words, 1),
    }


def _holds(box, point) -> bool:
    (x0, y0, x1, y1), (y, x) = box, point
    return x0 <= x <= x1 and y0 <= y <= y1
