"""Attention over images as one HTML page to explore: point at a word, see where it looked."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from pipelines.maps import page
from pipelines.maps.colors import COLORS, NO_ATTENTION, scale

_LARGEST = 512  # pixels, the longer side of an image in the page
_ICONS = (
    '<svg class="start" width="14" height="14" viewBox="0 0 14 14"><path d="M4 2v10l8-5z"/></svg>'
    '<svg class="pause" width="14" height="14" viewBox="0 0 14 14">'
    '<path d="M3 2h3v10H3zM8 2h3v10H8z"/></svg>'
)


def write_html(
    path: str | Path,
    maps: Iterable,
    title: str | None = None,
    scores: Mapping[str, float] | None = None,
) -> None:
    """Writes one self-contained page of images, captions and what each word attended to.

    Pointing at, tapping or focusing a word lays its map over the image, in the colours of
    `image_pictures.overlay`; a button plays the words in turn. The page needs no other file and no
    network, and its policy forbids any request. All text is escaped.

    Args:
        path: the HTML file to write.
        maps: of `image_maps.ImageMap`, in order, at least one. What attends is called as the first
            axis of the first, such as "word".
        title: the heading, by default "What each word looked at".
        scores: metrics of the model, shown below it.
    """
    maps = list(maps)
    what = maps[0].axes[0]
    data = {"colors": COLORS.tolist(), "none": NO_ATTENTION, "what": what}
    page.write(
        path,
        "image_page.html",
        title or f"What each {what} looked at",
        map(_article, maps),
        scores,
        data={**data, "maps": [_pack(shown.map) for shown in maps]},
        media=("img",),
        what=what,
        gradient=", ".join(f"#{color.tobytes().hex()}" for color in COLORS),
    )


def _article(shown) -> str:
    picture = Image.fromarray(shown.image)
    picture.thumbnail((_LARGEST, _LARGEST))
    heading = f"<h2>{page.escape(shown.heading)}</h2>" if shown.heading else ""
    words = " ".join(
        f'<button type="button">{page.escape(word)}</button>' for word in shown.map.words
    )
    items = "".join(f"<li>{page.escape(reference)}</li>" for reference in shown.references)
    listed = f"<details><summary>References</summary><ul>{items}</ul></details>" if items else ""
    return (
        '<article>\n<div class="picture">'
        f'<img src="{page.picture_url(picture)}" width="{picture.width}" '
        f'height="{picture.height}" alt="{page.escape(shown.caption)}">'
        '<canvas aria-hidden="true"></canvas></div>\n'
        f'<div class="text">{heading}{_bars(shown.classes)}'
        f'<div class="caption"><div class="words">{words}</div>'
        f'<button type="button" class="play" aria-label="Play all">{_ICONS}</button></div>\n'
        f'<div class="share" aria-live="polite"></div>\n{listed}</div>\n</article>'
    )


def _bars(classes) -> str:
    """The likeliest classes, each on a bar as long as its probability."""
    bars = "".join(
        f'<li style="--share:{share:.1%}"><span>{page.escape(name)}</span>'
        f"<span>{100 * share:.1f}\u00a0%</span></li>"
        for name, share in classes
    )
    return f'<ol class="classes">{bars}</ol>' if bars else ""


def _pack(attention) -> dict:
    """The weights of each word in 255ths of its largest; the rest as numbers."""
    rows, columns = attention.weights.shape[1:]
    largest, parts = page.parts(attention.weights)
    return {
        "rows": rows,
        "columns": columns,
        "peaks": [row * columns + column for row, column in attention.peaks.tolist()],
        "largest": page.rounded(largest, 6),
        "scales": page.rounded(map(scale, attention.weights), 6),
        "cells": page.pack(parts),
    }
