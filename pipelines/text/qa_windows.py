"""Questions and their contexts as windows of tokens, and the answers that a model finds there."""

from dataclasses import dataclass

import numpy as np

from pipelines.commands.errors import UserError

CHUNK = 1024  # windows that are searched at a time


@dataclass(frozen=True)
class Windows:
    """`[START] question [END] context [END]`, as often as it takes to see all of each context.

    Attributes:
        ids: `(W, L)`, int32, padded.
        lengths: `(W,)`, without padding.
        rows: `(W,)`, the row that each window belongs to; those of a row follow each other.
        context_starts: `(W,)`, the position in the window of its first token of the context.
        first_tokens: `(W,)`, which token of the context that is.
        answers: `(W, 2)`, the positions of the first and the last token of the row's first answer;
            both are 0, that is at the start, where the window does not hold it whole.
        offsets: For each row the characters of all tokens of its context, `(M, 2)`.
    """

    ids: np.ndarray
    lengths: np.ndarray
    rows: np.ndarray
    context_starts: np.ndarray
    first_tokens: np.ndarray
    answers: np.ndarray
    offsets: list[np.ndarray]

    @property
    def mask(self):
        """`(W, L)`, boolean: what is not padding."""
        return np.arange(self.ids.shape[1]) < self.lengths[:, None]

    @property
    def segments(self):
        """`(W, L)`, int32: 1 for the context and its end, 0 before and for padding."""
        behind = np.arange(self.ids.shape[1]) >= self.context_starts[:, None]
        return (behind & self.mask).astype("int32")

    def context_offsets(self, window):
        """The characters `(C, 2)` of those tokens of the context that a window has."""
        count = self.lengths[window] - 1 - self.context_starts[window]
        first = self.first_tokens[window]
        return self.offsets[self.rows[window]][first : first + count]


def make_windows(rows, subwords, max_length=384, overlap=128, max_question=64):
    """Cuts contexts into windows that overlap.

    An answer of no more than `overlap` tokens stands whole in one window at least.

    Args:
        rows: With `question`, `context`, and maybe `answers`, a list of `{"text", "start"}`.
        subwords: Of `pipelines.text.subwords`.
        max_length: L.
        overlap: Tokens of the context that a window shares with the next.
        max_question: Tokens that a longer question is cut to.

    Returns:
        The `Windows`. A row without context has one window without.

    Raises:
        ValueError: There would be no room for more than the overlap.
    """
    if max_length - 3 - max_question <= overlap:
        raise ValueError(
            "Beside a question and three special tokens windows must hold more than their overlap. "
            f"Received: max_length={max_length}, max_question={max_question}, overlap={overlap}"
        )
    encoded = {}  # Questions about one context mostly follow each other; all share its offsets.
    parts, offsets = [], []
    for number, row in enumerate(rows):
        if row["context"] not in encoded:
            ids, spans = subwords.encode(row["context"])
            encoded[row["context"]] = (
                np.array(ids, "int32"),
                np.array(spans, "int32").reshape(-1, 2),
            )
        context, spans = encoded[row["context"]]
        offsets.append(spans)
        question = subwords.encode(row["question"])[0][:max_question]
        answer = _answer_tokens(row.get("answers"), spans)
        before = [subwords.start, *question, subwords.end]
        room = max_length - len(before) - 1
        for first in _firsts(len(context), room, overlap):
            piece = context[first : first + room]
            last = first + len(piece) - 1
            inside = answer is not None and first <= answer[0] and answer[1] <= last
            at = [len(before) + token - first for token in answer] if inside else (0, 0)
            parts.append((before, piece, number, first, at))
    ids = np.full((len(parts), max_length), subwords.pad, "int32")
    lengths = np.zeros(len(parts), "int32")
    for window, (before, piece, *_) in enumerate(parts):
        lengths[window] = len(before) + len(piece) + 1
        ids[window, : lengths[window]] = [*before, *piece, subwords.end]
    return Windows(
        ids,
        lengths,
        rows=np.array([part[2] for part in parts], "int32"),
        context_starts=np.array([len(part[0]) for part in parts], "int32"),
        first_tokens=np.array([part[3] for part in parts], "int32"),
        answers=np.array([part[4] for part in parts], "int32").reshape(-1, 2),
        offsets=offsets,
    )


def best_spans(windows, start_scores, end_scores, max_answer=30):
    """The best answer to each question among all windows of its context.

    A span scores the sum of the logits of its first and its last token, less those of no answer,
    which in every window is what stands at its start.

    Args:
        windows: Of `make_windows`.
        start_scores: `(W, L)`, logits.
        end_scores: `(W, L)`, logits.
        max_answer: Most tokens of an answer.

    Returns:
        `(rows, 2)`, int64: the answers are exactly `context[start:end]`; and `(rows,)`, float32,
        what they score. Without any token in its context a row has `(0, 0)` and minus infinity.

    Raises:
        UserError: A logit is not finite, as of a model whose training diverged.
    """
    spans = np.zeros((len(windows.offsets), 2), "int64")
    scores = np.full(len(windows.offsets), -np.inf, "float32")
    for begin in range(0, len(windows.ids), CHUNK):
        chosen = range(begin, min(begin + CHUNK, len(windows.ids)))
        parts = [np.asarray(x[begin : chosen.stop], "float32") for x in (start_scores, end_scores)]
        if not all(np.isfinite(part).all() for part in parts):
            raise UserError("the model's scores are not finite: its training diverged")
        eligible = np.zeros(parts[0].shape, "bool")
        for i, window in enumerate(chosen):
            starts, ends = windows.context_offsets(window).T
            at = windows.context_starts[window]
            eligible[i, at : at + len(starts)] = starts < ends  # White space answers nothing.
        firsts, lasts, found = _best_pairs(*parts, eligible, max_answer)
        for i, window in enumerate(chosen):
            row = windows.rows[window]
            if found[i] > scores[row]:
                scores[row] = found[i]
                tokens = windows.context_offsets(window)
                at = windows.context_starts[window]
                spans[row] = tokens[firsts[i] - at, 0], tokens[lasts[i] - at, 1]
    return spans, scores


def _best_pairs(starts, ends, eligible, max_answer):
    """Of each window the positions of the best span, and its score."""
    nothing = starts[:, 0] + ends[:, 0]
    starts, ends = (np.where(eligible, x, -np.inf) for x in (starts, ends))
    count, length = starts.shape
    best = np.full(count, -np.inf, "float32")
    firsts, lasts = np.zeros((2, count), "int64")
    # By the length of spans: memory stays that of the logits.
    for further in range(min(max_answer, length)):
        sums = starts[:, : length - further] + ends[:, further:]
        places = sums.argmax(axis=1)
        found = np.take_along_axis(sums, places[:, None], axis=1)[:, 0]
        better = found > best
        best = np.where(better, found, best)
        firsts, lasts = (
            np.where(better, places, firsts),
            np.where(better, places + further, lasts),
        )
    return firsts, lasts, best - nothing


def _firsts(count, room, overlap):
    """Where in a context of `count` tokens windows start; the last is as full as the others."""
    return [*range(0, count - room, room - overlap), max(0, count - room)]


def _answer_tokens(answers, spans):
    """First and last token of the first answer, or None if there is none."""
    if not answers:
        return None
    start = answers[0]["start"]
    end = start + len(answers[0]["text"])
    visible = np.flatnonzero(spans[:, 0] < spans[:, 1])
    first = np.searchsorted(spans[visible, 1], start, side="right")
    last = np.searchsorted(spans[visible, 0], end, side="left") - 1
    return (visible[first], visible[last]) if first <= last else None
