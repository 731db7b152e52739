"""Alignments as one HTML page to explore: point at a word, see where it comes from."""

import base64
import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import numpy as np

from pipelines.maps.alignments import END_WORD, Alignment
from pipelines.maps.colors import scale

_TEMPLATE = Path(__file__).with_name("alignment_page.html")
_NAMES = {
    "bleu": "BLEU",
    "bleu_lowercase": "BLEU, lower case",
    "chrf": "chrF",
    **{
        f"{prefix}rouge_{kind}": f"{shown}ROUGE-{kind.upper()}"
        for prefix, shown in (("", ""), ("lead_", "Lead "), ("lead_3_", "Lead-3 "))
        for kind in ("1", "2", "l")
    },
}


def write_html(
    path: str | Path,
    alignments: Iterable[Alignment],
    title: str = "Where each word comes from",
    scores: Mapping[str, float] | None = None,
) -> None:
    """Writes one self-contained page of texts, their sources, and what each word attended to.

    Pointing at, tapping or focusing a word of a text shades the words of its source by their share
    of its attention. Coverage shades them by what they got from all words together. Where the model
    copies, words are underlined by the probability that they were copied. The page needs no other
    file and no network, and its policy forbids any request. All text is escaped.

    Args:
        path: the HTML file to write.
        alignments: what to show, in order.
        title: the heading.
        scores: metrics of the model, shown below it.
    """
    alignments = list(alignments)
    tiles = "".join(
        f"<div><dt>{html.escape(_NAMES.get(name, name.replace('_', ' ')))}</dt>"
        f"<dd>{value:.3g}</dd></div>"
        for name, value in (scores or {}).items()
    )
    copies = any(alignment.copy is not None for alignment in alignments)
    data = [_pack(alignment) for alignment in alignments]
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        scores=f"<dl>{tiles}</dl>" if tiles else "",
        articles="\n".join(map(_article, alignments)),
        copies="Underlined: copied, the bolder the surer." if copies else "",
        data=json.dumps(data, separators=(",", ":")),
    )
    Path(path).write_text(page, encoding="utf-8")


def _article(alignment: Alignment) -> str:
    source = " ".join(
        f'<span class="end">{html.escape(word)}</span>'
        if word == END_WORD
        else f"<span>{html.escape(word)}</span>"
        for word in alignment.source_words
    )
    shares = [0.0] * len(alignment.map.words) if alignment.copy is None else alignment.copy
    words = " ".join(
        f'<button type="button" style="--copied:{100 * share:.0f}%">{html.escape(word)}</button>'
        for word, share in zip(alignment.map.words, shares, strict=True)
    )
    reference = html.escape(alignment.reference)
    wanted = (
        f'<p class="reference" dir="auto"><b>Reference</b> {reference}</p>' if reference else ""
    )
    return (
        f'<article>\n<p class="source" dir="auto">{source}</p>\n'
        f'<div class="words" dir="auto">{words}</div>\n'
        '<div class="bar"><button type="button" class="coverage" aria-pressed="false">Coverage'
        '</button><div class="share" aria-live="polite"></div></div>\n'
        f"{wanted}\n</article>"
    )


def _pack(alignment: Alignment) -> dict:
    """The weights of each word in 255ths of its largest; the rest as numbers."""
    weights = alignment.map.weights
    largest = weights.max(1, initial=0)
    parts = weights / np.where(largest > 0, largest, 1)[:, None]
    return {
        "largest": _rounded(largest),
        "scales": _rounded([scale(row) for row in weights]) if weights.size else [],
        "coverage": _rounded(alignment.coverage),
        "copied": None if alignment.copy is None else _rounded(alignment.copy),
        "cells": base64.b64encode(np.rint(255 * parts).astype("uint8").tobytes()).decode(),
    }


def _rounded(values) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
