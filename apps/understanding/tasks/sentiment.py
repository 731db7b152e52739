"""Sentiment: the label of a text, or any number of labels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from apps.understanding.tasks import inputs, shared
from apps.understanding.tasks.task import Reading, Task
from apps.understanding.tasks.text_classifier import TextClassifier
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import printable
from pipelines.data import sources
from pipelines.data.fields import Field
from pipelines.data.layouts import class_folders, headerless, parallel_files
from pipelines.data.splits import by_text
from pipelines.decoding.result import Alternative
from pipelines.maps.text_maps import TextMap
from pipelines.metrics import classification

TEXT = (
    *("text", "sentence", "review", "tweet", "comment", "content", "message", "review_text"),
    *("reviewtext", "sms", "body", "headline", "utterance", "query", "document", "description"),
    *("comment_text", "tweet_text", "review_body", "phrase", "title"),
)
LABEL = (
    *("label", "sentiment", "class", "labels", "category", "target", "polarity", "emotion"),
    *("intent", "airline_sentiment", "label_name", "class_index", "rating", "stars", "score"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Classified(Reading):
    """The label of a text.

    Attributes:
        label: The label; of a model with several for each text, the list of those that are more
            probable than not.
        score: The probability of the label; of several, that of exactly these.
        alternatives: The other labels, and the probability of each.
        probabilities: The probability of each label.
    """

    label: str | list[str]
    probabilities: Mapping[str, float] = field(repr=False)

    @property
    def text(self):
        """The text that was read."""
        return self.row["text"]

    @property
    def prediction(self):
        return self.label

    @property
    def found(self):
        if isinstance(self.label, str):
            return {"label": self.label, "probability": round(self.score, 4)}
        each = [round(self.probabilities[name], 4) for name in self.label]
        return {"label": self.label, "probability": each}

    @property
    def line(self):
        probability = self.found["probability"]
        if isinstance(self.label, str):
            return f"{printable(self.label)}\t{probability:.3f}"
        each = dict(zip(self.label, probability, strict=True))
        return printable(json.dumps(each, ensure_ascii=False))


class Sentiment(Task):
    """Attention pooling and a softmax over labels, or a sigmoid for each."""

    NAME = "sentiment"
    FIELDS: ClassVar = {
        "text": Field(TEXT),
        "label": Field(LABEL, kind=(str, list), is_label=True),
    }
    IDENTITY = staticmethod(by_text("text"))
    FEATURES: ClassVar = {
        "text": ("text", "sentence", "review", "description"),
        "label": ("label", "intent_name"),
    }
    INPUTS = ("text",)
    READING = Classified
    NETWORK = TextClassifier
    MONITOR = "accuracy"

    def read(self, wanted):
        data_set = self.data_set(
            label="label",
            content="text",
            layouts=(parallel_files.labelled,),
            folders=(class_folders.of_texts,),
            headerless=headerless.labelled_texts,
        )
        splits = sources.read(data_set, self.config, wanted)
        for split, rows in splits.items():
            if not self.config.multi_label and any(isinstance(row["label"], list) for row in rows):
                raise UserError(
                    f"some label of {split} is a list: --multi-label gives a text any number of "
                    "labels"
                )
        return splits

    def row(self, given):
        return inputs.text_row(given.strip()) if isinstance(given, str) else given

    def texts(self, row):
        return [row["text"]]

    def names(self, rows):
        return (name for row in rows for name in _several(row["label"]))

    def classes(self, rows):
        names = sorted(set(self.names(rows)))
        if len(names) < 2:
            raise UserError(f"training needs at least two labels; there is {len(names)}")
        return names

    def encode(self, rows, tokenizer, classes):
        """`Examples`, and for each row how many tokens it has, of which the first are encoded."""
        index = {name: number for number, name in enumerate(classes)}
        tokens, targets, shapes, counts = [], [], [], []
        for row in rows:
            ids, spans = tokenizer.encode(row["text"])
            counts.append(len(ids))
            ids, spans = ids[: self.room], spans[: self.room]
            tokens.append(shared.framed(ids, tokenizer))
            shapes.append([0, *shared.shapes(row["text"], spans), 0])
            target = np.zeros(len(classes), "float32")
            for name in _several(row.get("label", [])):
                if name in index:
                    target[index[name]] = 1
            targets.append(target)
        features, padding = {"tokens": tokens, "labels": targets}, {"labels": 0}
        padding["tokens"] = tokenizer.pad
        return shared.examples(features, padding, tokenizer, shapes), counts

    @property
    def room(self):
        """The tokens of a text that the model sees, between start and end."""
        return self.config.max_length - 2

    def network(self, encoder, classes, **shared):
        return TextClassifier(
            encoder,
            len(classes),
            multi_label=self.config.multi_label,
            label_smoothing=self.config.label_smoothing,
            **shared,
        )

    def readings(self, rows, encoded, outputs, reader):
        _, counts = encoded
        logits = np.stack(outputs).astype("float64")
        choose = self._choose_several if self.config.multi_label else self._choose_one
        return [
            {**choose(reader.classes, each), "truncated": count > self.room}
            for each, count in zip(logits, counts, strict=True)
        ]

    @staticmethod
    def _choose_one(classes, logits):
        exponents = np.exp(logits - logits.max())
        probabilities = exponents / exponents.sum()
        ranked = _ranked(classes, probabilities)
        return {
            "label": ranked[0].text,
            "score": ranked[0].score,
            "alternatives": tuple(ranked[1:]),
            "probabilities": dict(ranked),
        }

    @staticmethod
    def _choose_several(classes, logits):
        probabilities = 1 / (1 + np.exp(-logits))
        chosen = probabilities > 0.5
        label = [name for name, has in zip(classes, chosen, strict=True) if has]
        ranked = _ranked(classes, probabilities)
        return {
            "label": label,
            "score": float(np.prod(np.where(chosen, probabilities, 1 - probabilities))),
            "alternatives": tuple(other for other in ranked if other.text not in label),
            "probabilities": dict(ranked),
        }

    def look(self, rows, encoded, weights):
        """Of each text the weights of its tokens, `(S,)`."""
        examples, _ = encoded
        return [
            each[1 : length - 1] for each, length in zip(weights, examples.lengths, strict=True)
        ]

    def map(self, reading, weights, tokenizer):
        text = reading.text
        spans, words = tokenizer.encode(text)[1][: len(weights)], shared.word_spans(text)
        one = isinstance(reading.label, str)
        probability = f" {reading.found['probability']:.0%}" if one else ""
        return TextMap(
            words=tuple(text[start:end] for start, end in words),
            weights=shared.per_word(weights[None], spans, words)[0],
            title=f"{_shown(reading.label)}{probability}",
            reference=_shown(reading.row["label"]) if "label" in reading.row else "",
        )

    def score(self, predictions, rows):
        return classification.score_labels([row["label"] for row in rows], predictions)

    def class_scores(self, predictions, rows):
        return classification.label_scores([row["label"] for row in rows], predictions)


def _several(label):
    return label if isinstance(label, list) else [label]


def _ranked(classes, probabilities):
    """Labels and their probabilities, the most probable first."""
    order = np.argsort(-probabilities, kind="stable")
    return [Alternative(classes[i], float(probabilities[i])) for i in order]


def _shown(label):
    return label if isinstance(label, str) else ", ".join(label) or "none"
