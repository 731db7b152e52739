"""Alignment accuracy of dates: whether attention peaks on the month while the month is written."""

import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

_DATE = re.compile(r"[0-9]{4}-([0-9]{2})-[0-9]{2}")


def accuracy(
    rows: Sequence[Mapping],
    outputs: Sequence[tuple[Sequence[int], np.ndarray]],
    tokenizer,
) -> float:
    """Returns the share of month tokens whose most attended source token is part of the month.

    Month tokens are those of the decoded date that hold a digit of its month, right or wrong. An
    output that is no date counts as one miss.

    Args:
        rows: each with `source`, a date in words, and `month`, the characters `[start, end)` of
            the source that name the month.
        outputs: for each row the decoded ids `(T,)` and the attention weights `(T, S)`, whose
            column j is that of token j of `tokenizer.encode([source])[0][1:]`.
        tokenizer: a `pipelines.text.tokenizer.Tokenizer`.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: if there is not one output per row, or none at all.
    """
    if len(rows) != len(outputs) or not len(rows):
        raise ValueError(
            f"Give one output per row. Received: {len(rows)} rows, {len(outputs)} outputs."
        )
    hits = tokens = 0
    for row, (ids, weights) in zip(rows, outputs, strict=True):
        written = _month_tokens(tokenizer, ids)
        tokens += max(len(written), 1)
        start, end = row["month"]
        spans = tokenizer.offsets(row["source"])
        for position in written:
            peak = int(np.argmax(weights[position]))
            if peak < len(spans):  # The end of the source tells nothing.
                first, last = spans[peak]
                hits += max(first, start) < min(last, end)
    return hits / tokens


def _month_tokens(tokenizer, ids):
    """The positions in `ids` of what writes the month; none if the text is no date."""
    date = _DATE.fullmatch(tokenizer.decode(ids))
    if not date:
        return []
    ends = [len(tokenizer.decode(ids[:count])) for count in range(len(ids) + 1)]
    spans = itertools.pairwise(ends)
    start, end = date.span(1)
    return [i for i, (first, last) in enumerate(spans) if max(first, start) < min(last, end)]
