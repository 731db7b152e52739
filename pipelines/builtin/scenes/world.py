"""What is in an image: objects of a shape, colour, size, texture and place, drawn at random."""

import dataclasses
import hashlib
import random

from .shapes import SHAPES, aspect

PICTURE_SIZE = 96
MARGIN = 3  # pixels between an object and the border of the image
GAP = 2  # pixels between the boxes of two objects
SPLITS = ("train", "validation", "test")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
SIZES = {"small": (21, 26), "large": (31, 38)}  # longest side in pixels
TEXTURES = ("plain", "plain", "striped", "dotted")  # half of the objects are plain
BACKGROUNDS = ("gradient", "noise", "tiles", "scenery")


@dataclasses.dataclass(frozen=True)
class Thing:
    """One object. `box` is `(x0, y0, x1, y1)` in pixels, the last two exclusive."""

    shape: str
    color: str
    size: str
    texture: str
    box: tuple[int, int, int, int]
    angle: int

    @property
    def truth(self) -> dict:
        """What the data set tells about the object."""
        return {
            "shape": self.shape,
            "color": self.color,
            "size": self.size,
            "texture": self.texture,
            "box": list(self.box),
        }


@dataclasses.dataclass(frozen=True)
class Scene:
    """What an image is drawn from: objects, a background, and a seed for the details of drawing."""

    things: tuple[Thing, ...]
    background: str
    seed: int


def split_of(kinds) -> str:
    """Returns the one split to which a collection of `(shape, colour)` pairs belongs.

    It depends on nothing but the multiset of pairs, so that the objects of a held-out image are
    never seen together in a training image, whatever their places, sizes and textures are.
    """
    content = ",".join(sorted(f"{color} {shape}" for shape, color in kinds))
    bucket = hashlib.blake2b(content.encode(), digest_size=8).digest()[0] % 16
    return {0: "test", 1: "validation"}.get(bucket, "train")


def sample_scene(seed: int, split: str, index: int) -> Scene:
    """Draws image number `index` of a split; the same arguments give the same scene."""
    if split not in SPLITS:
        raise ValueError(f"Unknown split {split!r}; known: {', '.join(SPLITS)}.")
    rng = random.Random(f"scene {seed} {split} {index}")
    kinds = _sample_kinds(rng)
    while len(set(kinds)) == 1 or split_of(kinds) != split:
        kinds = _sample_kinds(rng)
    things = None
    while things is None:
        things = _place(kinds, rng)
    return Scene(things, rng.choice(BACKGROUNDS), rng.getrandbits(32))


def _sample_kinds(rng: random.Random) -> list[tuple[str, str]]:
    """Draws three or four `(shape, colour)` pairs.

    A third of the images have one shape in many colours, a few one colour in many shapes: there
    the other attribute alone tells the objects apart. In the rest an object may share its colour,
    or both, with another.
    """
    theme = rng.random()
    kinds = []
    for _ in range(rng.choice((3, 4))):
        if kinds and theme >= 0.4 and rng.random() < 0.1:
            kinds.append(rng.choice(kinds))
            continue
        if kinds and theme < 0.35:
            shape, color = kinds[0][0], rng.choice(COLORS)
        elif kinds and (theme < 0.4 or rng.random() < 0.1):
            shape, color = rng.choice(SHAPES), kinds[0][1]
        else:
            used = {color for _, color in kinds}
            shape = rng.choice(SHAPES)
            color = rng.choice([one for one in COLORS if one not in used])
        kinds.append((shape, color))
    return kinds


def _place(kinds, rng: random.Random, attempts: int = 40) -> tuple[Thing, ...] | None:
    """Gives each object a size, a texture and a free place; None where no place is found."""
    things = []
    for shape, color in kinds:
        size = rng.choice(tuple(SIZES))
        angle = rng.randint(-10, 10)
        side = rng.randint(*SIZES[size])
        width, height = (round(side * part) for part in aspect(shape, angle))
        for _ in range(attempts):
            x = rng.randint(MARGIN, PICTURE_SIZE - MARGIN - width)
            y = rng.randint(MARGIN, PICTURE_SIZE - MARGIN - height)
            box = (x, y, x + width, y + height)
            if all(_apart(box, other.box) for other in things):
                break
        else:
            return None
        things.append(Thing(shape, color, size, rng.choice(TEXTURES), box, angle))
    rng.shuffle(things)
    return tuple(things)


def _apart(box, other) -> bool:
    return (
        box[0] >= other[2] + GAP
        or other[0] >= box[2] + GAP
        or box[1] >= other[3] + GAP
        or other[1] >= box[3] + GAP
    )
