"""Draws the image of a scene with Pillow."""

import colorsys
import math
import random

import numpy as np
from PIL import Image, ImageDraw

from .shapes import RING_HOLE, aspect, outline
from .world import PICTURE_SIZE, Scene, Thing

OVERSAMPLING = 4  # to smooth the edges
SHADOW = 60  # of 255
# Hue in degrees, saturation, value: the middle and how far an image may deviate from it.
PALETTE = {
    "red": ((358, 5), (0.88, 0.07), (0.84, 0.07)),
    "orange": ((27, 4), (0.92, 0.05), (0.97, 0.03)),
    "yellow": ((54, 4), (0.80, 0.10), (0.97, 0.03)),
    "green": ((130, 14), (0.75, 0.10), (0.60, 0.08)),
    "blue": ((220, 9), (0.82, 0.08), (0.82, 0.08)),
    "purple": ((284, 9), (0.68, 0.08), (0.62, 0.08)),
    "black": ((220, 180), (0.10, 0.10), (0.10, 0.05)),
    "white": ((220, 180), (0.02, 0.02), (0.98, 0.02)),
}


def render(scene: Scene) -> Image.Image:
    """Draws a scene; the same scene gives the same pixels.

    Args:
        scene: what to draw.

    Returns:
        The RGB image, `PICTURE_SIZE` pixels wide and high.
    """
    rng = random.Random(scene.seed)
    picture = Image.fromarray(_background(scene.background, scene.seed))
    masks = [_mask(thing) for thing in scene.things]
    shadows = Image.new("L", picture.size)
    for thing, mask in zip(scene.things, masks, strict=True):
        shadows.paste(SHADOW, (thing.box[0] + 1, thing.box[1] + 1), mask)
    picture.paste("black", mask=shadows)
    for thing, mask in zip(scene.things, masks, strict=True):
        picture.paste(_surface(thing, rng), thing.box[:2], mask)
    return picture


def _polygon(thing: Thing) -> list[tuple[float, float]]:
    """The outline in oversampled pixels, filling the box exactly."""
    corners = outline(thing.shape, thing.angle)
    (width, height), (across, down) = _extent(thing), aspect(thing.shape, thing.angle)
    return [(x / across * (width - 1), y / down * (height - 1)) for x, y in corners]


def _hole(polygon, size) -> list[tuple[float, float]]:
    x, y = size[0] / 2, size[1] / 2
    return [(x + RING_HOLE * (px - x), y + RING_HOLE * (py - y)) for px, py in polygon]


def _extent(thing: Thing) -> tuple[int, int]:
    """Width and height of the box in oversampled pixels."""
    left, top, right, bottom = thing.box
    return (right - left) * OVERSAMPLING, (bottom - top) * OVERSAMPLING


def _mask(thing: Thing) -> Image.Image:
    """How much of each pixel in the box the object covers."""
    mask = Image.new("L", _extent(thing))
    draw = ImageDraw.Draw(mask)
    polygon = _polygon(thing)
    draw.polygon(polygon, fill=255)
    if thing.shape == "ring":
        draw.polygon(_hole(polygon, mask.size), fill=0)
    return mask.reduce(OVERSAMPLING)


def _surface(thing: Thing, rng: random.Random) -> Image.Image:
    """The box of an object, filled with its colour, its texture, and a thin darker edge."""
    color, second, edge = _paints(thing.color, rng)
    width, height = extent = _extent(thing)
    surface = Image.new("RGB", extent, color)
    draw = ImageDraw.Draw(surface)
    step = OVERSAMPLING * (7 if thing.size == "large" else 5)
    if thing.texture == "striped":
        lean = rng.choice((-1, 0, 1)) * height
        for x in range(-height, width + height, step):
            draw.line((x, 0, x + lean, height), fill=second, width=step * 2 // 5)
    elif thing.texture == "dotted":
        radius = step * 0.24
        for row, y in enumerate(range(step // 2, height, step * 7 // 8)):
            for x in range(step // 2 * (row % 2), width + step, step):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=second)
    polygon = _polygon(thing)
    edges = [polygon, _hole(polygon, extent)] if thing.shape == "ring" else [polygon]
    for corners in edges:
        draw.line([*corners, corners[0]], fill=edge, width=6)
    return surface.reduce(OVERSAMPLING)


def _paints(name: str, rng: random.Random):
    """The colour of an object, that of its stripes or dots, and that of its edge."""
    hue, saturation, value = (
        middle + rng.uniform(-reach, reach) for middle, reach in PALETTE[name]
    )
    second = {
        "black": (saturation, 0.45),
        "white": (saturation, 0.70),
        "yellow": (saturation, 0.74),
        "orange": (saturation, 0.70),
    }.get(name, (saturation * 0.5, 1.0))
    edge = (saturation, value * 0.62)
    pairs = ((saturation, value), second, edge)
    return tuple(_rgb(hue, saturation, value) for saturation, value in pairs)


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    color = colorsys.hsv_to_rgb(hue / 360 % 1, saturation, min(value, 1))
    return tuple(round(255 * part) for part in color)


def _background(name: str, seed: int) -> np.ndarray:
    """Muted surroundings, uint8 `(PICTURE_SIZE, PICTURE_SIZE, 3)`."""
    rng = np.random.default_rng(seed)
    position = np.linspace(0, 1, PICTURE_SIZE, dtype=np.float32)
    if name == "gradient":
        angle = rng.uniform(0, 2 * math.pi)
        blend = position * math.cos(angle) + position[:, None] * math.sin(angle)
        blend = (blend - blend.min()) / np.ptp(blend)
    elif name == "noise":
        blend = _enlarge(rng.random((7, 7), dtype=np.float32), Image.Resampling.BICUBIC)
    elif name == "tiles":
        count = int(rng.integers(5, 13))
        checks = np.indices((count, count)).sum(axis=0) % 2
        tiles = 0.6 * checks + 0.4 * rng.random((count, count))
        blend = _enlarge(tiles.astype(np.float32), Image.Resampling.NEAREST)
    else:
        return _scenery(rng, position)
    first, second = _muted(rng, 0.48, 0.60), _muted(rng, 0.62, 0.74)
    return _mix(first, second, blend).astype(np.uint8)


def _scenery(rng: np.random.Generator, position: np.ndarray) -> np.ndarray:
    """A pale sky over two ranges of hills."""
    picture = _mix(_muted(rng, 0.66, 0.72), _muted(rng, 0.70, 0.76), position[:, None])
    picture = np.broadcast_to(picture, (PICTURE_SIZE, PICTURE_SIZE, 3)).copy()
    for base, value in ((0.45, 0.58), (0.7, 0.5)):
        wave, shift = rng.uniform(3, 9), rng.uniform(0, 6)
        ridge = base + 0.07 * np.sin(wave * position + shift) + rng.uniform(-0.06, 0.06)
        picture[position[:, None] > ridge] = _muted(rng, value - 0.02, value + 0.02)
    return picture.astype(np.uint8)


def _muted(rng: np.random.Generator, darkest: float, brightest: float) -> np.ndarray:
    hue, saturation = rng.uniform(0, 360), rng.uniform(0.04, 0.2)
    return np.array(_rgb(hue, saturation, rng.uniform(darkest, brightest)), np.float32)


def _mix(first: np.ndarray, second: np.ndarray, blend: np.ndarray) -> np.ndarray:
    return first + np.clip(blend, 0, 1)[..., None] * (second - first)


def _enlarge(field: np.ndarray, how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(field).resize((PICTURE_SIZE, PICTURE_SIZE), how))
