"""The words and set phrases of the captions, shared by the writer and the parser."""

from .shapes import SHAPES
from .world import COLORS

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
SIZE_WORDS = {"small": ("small", "little"), "large": ("large", "big")}
TEXTURE_WORDS = {"plain": ("plain",), "striped": ("striped",), "dotted": ("dotted", "spotted")}
PLURALS = {shape: "crosses" if shape == "cross" else f"{shape}s" for shape in SHAPES}
ANYTHING = ("objects", "shapes")

RELATION_PHRASES = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above",),
    "below": ("below", "under"),
}
PLACE_PHRASES = {
    "left": ("on the left", "on the left side", "on the left side of the picture"),
    "right": ("on the right", "on the right side", "on the right side of the picture"),
    "top": ("at the top", "at the top of the picture"),
    "bottom": ("at the bottom", "at the bottom of the picture"),
    "middle": ("in the middle", "in the middle of the picture"),
    **{
        f"{height} {side}": (f"in the {height} {side} corner",)
        for height in ("top", "bottom")
        for side in ("left", "right")
    },
}
OPENINGS = (
    "a picture of",
    "a picture with",
    "an image of",
    "this picture shows",
    "the image shows",
    "we can see",
    "we see",
)
THERE = ("there is", "there are")
VERBS = ("is", "are")
PRONOUNS = ("it", "them")

COLOR_OF = {color: color for color in COLORS}
SIZE_OF = {word: size for size, words in SIZE_WORDS.items() for word in words}
TEXTURE_OF = {word: texture for texture, words in TEXTURE_WORDS.items() for word in words}


def noun(shape: str, plural: bool) -> str:
    """Returns the noun of a shape."""
    return PLURALS[shape] if plural else shape
