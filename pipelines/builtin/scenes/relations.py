"""When an object counts as left of, above or between others, and as at a side or in a corner."""

from .world import PICTURE_SIZE

RELATIONS = ("left", "right", "above", "below")
PLACES = {  # side of the image, horizontally and vertically
    "left": (-1, None),
    "right": (1, None),
    "top": (None, -1),
    "bottom": (None, 1),
    "top left": (-1, -1),
    "top right": (1, -1),
    "bottom left": (-1, 1),
    "bottom right": (1, 1),
    "middle": (0, 0),
}


def center(box) -> tuple[float, float]:
    """Returns the centre `(x, y)` of a box `(x0, y0, x1, y1)`."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def related(name: str, box, other, clearly: bool = False) -> bool:
    """Whether a box is left of, right of, above or below another.

    The larger of the two distances between the centres decides, so that at most one of the four
    relations holds, and it must be 12 pixels at least. `clearly` asks for a margin on both.
    """
    (x, y), (other_x, other_y) = center(box), center(other)
    dx, dy = other_x - x, other_y - y
    along, across = {"left": (dx, dy), "right": (-dx, dy), "above": (dy, dx), "below": (-dy, dx)}[
        name
    ]
    if clearly:
        return along >= 20 and along >= 1.5 * abs(across)
    return along >= 12 and along > abs(across)


def between(box, first, second, clearly: bool = False) -> bool:
    """Whether the centre of a box lies near the middle part of the line between two others."""
    (x, y), (x1, y1), (x2, y2) = center(box), center(first), center(second)
    dx, dy = x2 - x1, y2 - y1
    length = max((dx * dx + dy * dy) ** 0.5, 1e-6)
    along = ((x - x1) * dx + (y - y1) * dy) / length**2
    across = abs((x - x1) * dy - (y - y1) * dx) / length
    least, most = (0.3, 9) if clearly else (0.2, 14)
    return least <= along <= 1 - least and across <= most


def placed(name: str, box, clearly: bool = False) -> bool:
    """Whether the centre of a box lies at a side, in a corner, or in the middle of the image.

    A side is the outer 40 % of the image (`clearly`: the outer third), and the middle is what
    deviates from its centre by less than 17 % of its size (`clearly`: 10 %).
    """
    side, middle = (1 / 3, 0.1) if clearly else (0.4, 0.17)
    for value, where in zip(center(box), PLACES[name], strict=True):
        offset = value / PICTURE_SIZE - 0.5
        if where == 0 and abs(offset) > middle:
            return False
        if where and offset * where < 0.5 - side:
            return False
    return True
