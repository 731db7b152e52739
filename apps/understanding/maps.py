"""What a model looked at, on the text: pictures, one page, and arrays."""

import re

import numpy as np

from pipelines.maps import gallery
from pipelines.maps.alignments import Alignment, Labels
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.text_maps import TextMap

AROUND = 14  # words on each side of an answer
LONGEST = 300  # words of a sentence: each may look at each
_TITLE = "What each word looked at"
_SENTENCE = Labels(_TITLE, "sentence", "tagged sentence", "Entities", coverage=False)
_QUESTION = Labels(_TITLE, "question", "context (answer in brackets)", "Answers", coverage=False)


def draw(folder, reader, rows, found, scores, pictures=8, on_page=24):
    """Draws the maps of the first rows: a PNG each, one page of all, and `maps.npz`.

    Args:
        folder: Where they go.
        reader: A `Reader`.
        rows: What was read.
        found: What `Reader.read` returned.
        scores: Metrics for the page, or `None`.
        pictures: How many PNG files at most.
        on_page: How many rows on the page at most.

    Returns:
        The path of the page.
    """
    task, rows, found = reader.config.task, rows[:on_page], found[:on_page]
    if task == "ner":
        rows = [_beginning(row) for row in rows]
        found = [_beginning(one) for one in found]
    looked = reader.look(rows)
    make = {"sentiment": _of_text, "ner": _of_sentence, "qa": _of_question}[task]
    shown = [
        make(reader, row, one, weights)
        for row, one, weights in zip(rows, found, looked, strict=True)
    ]
    return gallery.write(folder, shown, scores=scores, pictures=pictures)


def _beginning(sentence):
    """A sentence, or what was found in it, up to what can be shown."""
    return {
        name: value[:LONGEST] if name in ("tokens", "tags") else value
        for name, value in sentence.items()
    }


def _of_text(reader, row, one, weights):
    spans = reader.tokenizer.encode(row["text"])[1][: len(weights)]
    words = word_spans(row["text"])
    sums = _per_word(weights[None], spans, words)[0]
    label = one["label"] if isinstance(one["label"], str) else ", ".join(one["label"]) or "none"
    reference = row.get("label", "")
    if not isinstance(reference, str):
        reference = ", ".join(reference) or "none"
    probability = f" {one['probability']:.0%}" if isinstance(one["label"], str) else ""
    return TextMap(
        words=tuple(row["text"][start:end] for start, end in words),
        weights=sums,
        title=f"{label}{probability}",
        reference=reference,
    )


def _of_sentence(reader, row, one, weights):
    """Each word with what it was called, over the words that it looked at."""
    called = [
        word if tag == "O" else f"{word} [{tag}]"
        for word, tag in zip(row["tokens"], one["tags"], strict=True)
    ]
    wanted = [
        f"{word} [{tag}]"
        for word, tag in zip(row["tokens"], row.get("tags", []), strict=False)
        if tag != "O"
    ]
    return Alignment(
        map=AttentionMap(called, weights, ("word", "source")),
        source_words=tuple(row["tokens"]),
        reference="  ".join(wanted),
        text=" ".join(row["tokens"]),
        labels=_SENTENCE,
    )


def _of_question(reader, row, one, weights):
    """The words around the answer, which is in brackets, over those of the question."""
    asked_spans = reader.tokenizer.encode(row["question"])[1]
    asked = word_spans(row["question"])
    by_question = _per_word(weights, asked_spans[: weights.shape[1]], asked)
    context = word_spans(row["context"])
    spans = reader.tokenizer.encode(row["context"])[1]
    means = _per_word(by_question.T, spans, context, mean=True).T
    inside = [
        i for i, (start, end) in enumerate(context) if start < one["end"] and end > one["start"]
    ]
    first, last = (inside[0], inside[-1]) if inside else (0, 0)
    shown = range(max(first - AROUND, 0), min(last + AROUND + 1, len(context)))
    words = [row["context"][slice(*context[i])] for i in shown]
    if inside:
        words[first - shown.start] = "[" + words[first - shown.start]
        words[last - shown.start] += "]"
    answers = " / ".join(dict.fromkeys(answer["text"] for answer in row.get("answers", [])))
    return Alignment(
        map=AttentionMap(words, means[list(shown)], ("word", "source")),
        source_words=tuple(row["question"][start:end] for start, end in asked),
        reference=answers,
        text=one["answer"],
        labels=_QUESTION,
    )


def word_spans(text):
    """Where the words of a text stand, as white space has them."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def _per_word(weights, spans, words, mean=False):
    """Weights `(Q, S)` of tokens as those of words, `(Q, W)`: the sum, or the mean over tokens."""
    if not words:
        return np.zeros((len(weights), 0), "float32")
    starts = np.array([start for start, _ in words])
    sums, counts = np.zeros((len(weights), len(words)), "float32"), np.zeros(len(words))
    for token, (start, end) in enumerate(spans):
        # White space counts to the word before it, or to the first.
        word = max(int(np.searchsorted(starts, max(start, end - 1), "right")) - 1, 0)
        if mean and start == end:
            continue
        sums[:, word] += weights[:, token]
        counts[word] += 1
    return sums / np.maximum(counts, 1) if mean else sums
