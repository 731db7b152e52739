"""Outlines of the shapes that the images are made of."""

import functools
import math

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "diamond")
RING_HOLE = 0.5  # diameter of the hole relative to the ring


@functools.lru_cache(maxsize=1024)
def outline(shape: str, angle: int = 0) -> tuple[tuple[float, float], ...]:
    """Returns the polygon of a shape, moved to the origin and scaled to a longest side of one.

    Args:
        shape: one of `SHAPES`; a ring gives its outer edge.
        angle: rotation in whole degrees, clockwise in image coordinates.

    Returns:
        The corners `(x, y)` in drawing order; the smallest x and the smallest y are zero.
    """
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = [(cosine * x - sine * y, sine * x + cosine * y) for x, y in _corners(shape)]
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    side = max(max(x for x, _ in corners) - left, max(y for _, y in corners) - top)
    return tuple(((x - left) / side, (y - top) / side) for x, y in corners)


def aspect(shape: str, angle: int = 0) -> tuple[float, float]:
    """Returns the width and the height of `outline(shape, angle)`; the larger is one."""
    corners = outline(shape, angle)
    return max(x for x, _ in corners), max(y for _, y in corners)


def _corners(shape: str) -> list[tuple[float, float]]:
    match shape:
        case "circle" | "ring":
            return _on_circle(48)
        case "square":
            return [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        case "triangle":
            return _on_circle(3)
        case "star":
            outer, inner = _on_circle(5), _on_circle(5, radius=0.42, turn=0.5)
            return [corner for pair in zip(outer, inner, strict=True) for corner in pair]
        case "cross":
            arm = 0.34
            quarter = [(-arm, -1), (arm, -1), (arm, -arm)]
            corners = []
            for _ in range(4):
                corners += quarter
                quarter = [(-y, x) for x, y in quarter]
            return corners
        case "heart":
            steps = [2 * math.pi * step / 48 for step in range(48)]
            return [
                (
                    16 * math.sin(t) ** 3,
                    5 * math.cos(2 * t) + 2 * math.cos(3 * t) + math.cos(4 * t) - 13 * math.cos(t),
                )
                for t in steps
            ]
        case "diamond":
            return [(0, -1), (0.74, 0), (0, 1), (-0.74, 0)]
    raise ValueError(f"Unknown shape {shape!r}; known: {', '.join(SHAPES)}.")


def _on_circle(count: int, radius: float = 1.0, turn: float = 0.0) -> list[tuple[float, float]]:
    angles = [2 * math.pi * (corner + turn) / count for corner in range(count)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles]
