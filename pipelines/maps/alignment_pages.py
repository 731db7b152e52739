"""Alignments as one HTML page to explore: point at a word, see where it comes from."""

import html
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines.maps import page
from pipelines.maps.attention_maps import END_WORD
from pipelines.maps.colors import scale


def write_html(
    path: str | Path,
    alignments: Iterable,
    title: str | None = None,
    scores: Mapping[str, float] | None = None,
) -> None:
    """Writes one self-contained page of texts, their sources, and what each word attended to.

    Pointing at, tapping or focusing a word of a text shades the words of its source by their share
    of its attention. Coverage, where the labels ask for it, shades them by what they got from all
    words together. Where the model copies, words are underlined by the probability that they were
    copied. The page needs no other file and no network, and its policy forbids any request. All
    text is escaped.

    Args:
        path: the HTML file to write.
        alignments: of `alignments.Alignment`, in order, at least one. The labels of the first name
            the texts.
        title: the heading, by default that of the labels.
        scores: metrics of the model, shown below it.
    """
    alignments = list(alignments)
    labels, notes = alignments[0].labels, []
    if labels.coverage:
        notes.append("Coverage: attention summed over all words.")
    if any(alignment.copy is not None for alignment in alignments):
        notes.append("Underlined: copied, the bolder the surer.")
    page.write(
        path,
        "alignment_page.html",
        title or labels.title,
        map(_article, alignments),
        scores,
        data=list(map(_pack, alignments)),
        source=labels.source,
        target=labels.target,
        notes=" ".join(notes),
    )


def _article(alignment) -> str:
    source = " ".join(
        f'<span class="end">{page.escape(word)}</span>'
        if word == END_WORD
        else f"<span>{page.escape(word)}</span>"
        for word in alignment.source_words
    )
    shares = [0.0] * len(alignment.map.words) if alignment.copy is None else alignment.copy
    words = " ".join(
        f'<button type="button" style="--copied:{100 * share:.0f}%">{page.escape(word)}</button>'
        for word, share in zip(alignment.map.words, shares, strict=True)
    )
    toggle = '<button type="button" class="coverage" aria-pressed="false">Coverage</button>'
    name, reference = map(html.escape, (alignment.labels.reference, alignment.reference))
    wanted = f'<p class="reference" dir="auto"><b>{name}</b> {reference}</p>' if reference else ""
    return (
        f'<article>\n<p class="source" dir="auto">{source}</p>\n'
        f'<div class="words" dir="auto">{words}</div>\n'
        f'<div class="bar">{toggle if alignment.labels.coverage else ""}'
        f'<div class="share" aria-live="polite"></div></div>\n{wanted}\n</article>'
    )


def _pack(alignment) -> dict:
    """The weights of each word in 255ths of its largest; the rest as numbers."""
    weights = alignment.weights
    largest, parts = page.parts(weights)
    return {
        "largest": page.rounded(largest, 4),
        "scales": page.rounded(map(scale, weights), 4) if weights.size else [],
        "coverage": page.rounded(alignment.coverage, 4),
        "copied": None if alignment.copy is None else page.rounded(alignment.copy, 4),
        "cells": page.pack(parts),
    }
