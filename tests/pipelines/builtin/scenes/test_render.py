"""Pixels of the images beside the objects that they are to show."""

import colorsys

import numpy as np

from pipelines.builtin.scenes.render import PALETTE, render
from pipelines.builtin.scenes.world import PICTURE_SIZE, Scene, Thing


def test_known_pixels():
    box = (30, 30, 62, 62)
    for shape, inside, outside in (
        ("square", (31, 31), (28, 28)),
        ("circle", (46, 33), (32, 32)),
        ("ring", (46, 33), (46, 46)),
        ("cross", (46, 33), (34, 34)),
        ("diamond", (46, 46), (33, 33)),
    ):
        thing = Thing(shape, "red", "large", "plain", box, 0)
        picture = render(Scene((thing,), "gradient", 1))
        red, green, blue = picture.getpixel(inside)
        assert red > 110 and max(green, blue) < 70, shape
        red, green, blue = picture.getpixel(outside)
        assert max(red, green, blue) - min(red, green, blue) < 60, shape


def test_rendering_is_deterministic(sampled):
    for scene in sampled["validation"][:20]:
        assert render(scene).tobytes() == render(scene).tobytes()
        assert render(scene).size == (PICTURE_SIZE, PICTURE_SIZE)


def test_boxes_contain_their_colour_and_the_background_none(sampled):
    centers = {
        name: 255 * np.array(colorsys.hsv_to_rgb(hue / 360, saturation, value))
        for name, ((hue, _), (saturation, _), (value, _)) in PALETTE.items()
    }
    for scene in sampled["train"]:
        pixels = np.asarray(render(scene)).astype(float)
        background = np.ones(pixels.shape[:2], bool)
        for thing in scene.things:
            left, top, right, bottom = thing.box
            background[top - 1 : bottom + 2, left - 1 : right + 2] = False
            inside = pixels[top:bottom, left:right].reshape(-1, 3)
            close = {
                name: np.mean(np.linalg.norm(inside - center, axis=1) < 60)
                for name, center in centers.items()
            }
            assert close[thing.color] > 0.06, (thing, close)
            assert max(close, key=close.get) == thing.color, (thing, close)
        around = pixels[background]
        saturation = 1 - around.min(axis=1) / around.max(axis=1)
        assert saturation.max() < 0.35
        assert around.max(axis=1).min() > 100
        assert around.max() < 205
