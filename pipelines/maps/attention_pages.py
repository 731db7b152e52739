"""Attention maps as one HTML page to explore: point at a word, see where it looked."""

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.colors import COLORS, NO_ATTENTION, scale

_TEMPLATE = Path(__file__).with_name("attention_page.html")
_LARGEST = 512  # pixels, the longer side of an image in the page
_NAMES = {"cider": "CIDEr", **{f"bleu_{n}": f"BLEU-{n}" for n in range(1, 5)}}
_ICONS = (
    '<svg class="start" width="14" height="14" viewBox="0 0 14 14"><path d="M4 2v10l8-5z"/></svg>'
    '<svg class="pause" width="14" height="14" viewBox="0 0 14 14">'
    '<path d="M3 2h3v10H3zM8 2h3v10H8z"/></svg>'
)


def write_html(
    path: str | Path,
    examples: Iterable[tuple[np.ndarray, AttentionMap, str, Sequence[str]]],
    title: str = "What each word looked at",
    scores: Mapping[str, float] | None = None,
    what: str = "word",
) -> None:
    """Writes one self-contained page of images, captions and what each word attended to.

    Pointing at, tapping or focusing a word lays its map over the image, in the colours of
    `attention_pictures.overlay`; a button plays the words in turn. The page needs no other file and
    no network, and its policy forbids any request. All text is escaped.

    Args:
        path: the HTML file to write.
        examples: per image, uint8 pixels `(height, width, 3)`, the map (axes word, row, column)
            whose words are shown, the whole caption (the image's description to screen readers)
            and its references (may be none).
        title: the heading.
        scores: metrics of the model, shown below it.
        what: the name of what attends, where that is not the words of the caption: the caption then
            stands above it.
    """
    articles, maps = [], []
    for image, attention, caption, references in examples:
        shown = "" if what == "word" else f"<h2>{html.escape(caption)}</h2>"
        articles.append(_article(image, attention, caption, references, shown))
        maps.append(_pack(attention))
    data = {"colors": COLORS.tolist(), "none": NO_ATTENTION, "maps": maps}
    tiles = "".join(
        f"<div><dt>{html.escape(_NAMES.get(name, name.replace('_', ' ')))}</dt>"
        f"<dd>{value:.3g}</dd></div>"
        for name, value in (scores or {}).items()
    )
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        what=html.escape(what),
        gradient=", ".join(f"#{color.tobytes().hex()}" for color in COLORS),
        scores=f"<dl>{tiles}</dl>" if tiles else "",
        articles="\n".join(articles),
        data=json.dumps(data, separators=(",", ":")),
    )
    Path(path).write_text(page, encoding="utf-8")


def _article(
    image: np.ndarray,
    attention: AttentionMap,
    caption: str,
    references: Sequence[str],
    heading: str,
) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((_LARGEST, _LARGEST))
    words = " ".join(
        f'<button type="button">{html.escape(word)}</button>' for word in attention.words
    )
    items = "".join(f"<li>{html.escape(reference)}</li>" for reference in references)
    listed = f"<details><summary>References</summary><ul>{items}</ul></details>" if items else ""
    return (
        '<article>\n<div class="picture">'
        f'<img src="{_data_url(picture)}" width="{picture.width}" height="{picture.height}" '
        f'alt="{html.escape(caption)}"><canvas aria-hidden="true"></canvas></div>\n'
        f'<div class="text">{heading}<div class="caption"><div class="words">{words}</div>'
        f'<button type="button" class="play" aria-label="Play all">{_ICONS}</button></div>\n'
        f'<div class="share" aria-live="polite"></div>\n{listed}</div>\n</article>'
    )


def _data_url(picture: Image.Image) -> str:
    """The smaller of PNG (drawings) and JPEG (photographs)."""
    encoded = []
    for kind in ("png", "jpeg"):
        buffer = io.BytesIO()
        picture.save(buffer, format=kind, quality=92)
        encoded.append((kind, base64.b64encode(buffer.getvalue()).decode()))
    kind, text = min(encoded, key=lambda pair: len(pair[1]))
    return f"data:image/{kind};base64,{text}"


def _pack(attention: AttentionMap) -> dict:
    """The weights of each word in 255ths of its largest; the rest as numbers."""
    rows, columns = attention.weights.shape[1:]
    largest = attention.weights.max((1, 2), initial=0)
    parts = attention.weights / np.where(largest > 0, largest, 1)[:, None, None]
    return {
        "rows": rows,
        "columns": columns,
        "peaks": [row * columns + column for row, column in attention.peaks.tolist()],
        "largest": [float(f"{weight:.6g}") for weight in largest],
        "scales": [float(f"{scale(weights):.6g}") for weights in attention.weights],
        "cells": base64.b64encode(np.rint(255 * parts).astype("uint8").tobytes()).decode(),
    }
