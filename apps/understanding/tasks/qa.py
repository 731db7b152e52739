"""Question answering: the span of a context that answers a question."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from apps.understanding.tasks import shared
from apps.understanding.tasks.answer_finder import IMPOSSIBLE, AnswerFinder
from apps.understanding.tasks.task import Reading, Task
from pipelines.commands.terminal import printable
from pipelines.data import sources
from pipelines.data.fields import Field
from pipelines.data.formats import squad
from pipelines.data.rows import Rows
from pipelines.data.splits import by_text
from pipelines.maps.alignments import Alignment, Labels
from pipelines.maps.attention_maps import AttentionMap
from pipelines.metrics import answer_scores
from pipelines.text import qa_windows

AROUND = 14  # words that are shown on each side of an answer
SHOWN = Labels(
    title="What each word attended to",
    source="question",
    target="context (answer in brackets)",
    reference="Answers",
    coverage=False,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Answered(Reading):
    """The answer to a question.

    Attributes:
        answer: A part of the context, exactly as it stands there.
        start: Its first character in the context.
        end: Behind its last one.
        score: The logits of its first and its last token, less those of no answer; `None` of a
            context without a token.
    """

    answer: str
    start: int
    end: int
    score: float | None

    @property
    def prediction(self):
        return self.answer

    @property
    def found(self):
        score = None if self.score is None else round(self.score, 3)
        return {"answer": self.answer, "start": self.start, "end": self.end, "score": score}

    @property
    def line(self):
        return printable(" ".join(self.answer.splitlines()))


class QuestionAnswering(Task):
    """Each token of the context attends to the question; then a start and an end are chosen."""

    NAME = "qa"
    FIELDS: ClassVar = {
        "context": Field(("context", "passage", "paragraph", "text")),
        "question": Field(("question", "query")),
        "answers": Field(("answers", "answer", "answer_text"), kind=list),
    }
    IDENTITY = staticmethod(by_text("context"))
    FEATURES: ClassVar = {
        "answers": {"text": ("answers/text",), "start": ("answers/answer_start",)}
    }
    INPUTS = ("context", "question")
    READING = Answered
    NETWORK = AnswerFinder
    MONITOR = "f1"

    def read(self, wanted):
        readers = {".json": squad.read}
        data_set = self.data_set(content="context", readers=readers, of_records=squad.rows_of)
        splits = sources.read(data_set, self.config, wanted)
        return {
            split: Rows(
                {**row, "id": str(row.get("id", number))} for number, row in enumerate(rows)
            )
            for split, rows in splits.items()
        }

    def row(self, given):
        if isinstance(given, str):
            raise TypeError("A question comes as a row: {'context': ..., 'question': ...}.")
        return given

    def texts(self, row):
        return [row["context"], row["question"]]

    def encode(self, rows, tokenizer, classes):
        """`Examples`, and the `Windows` that they are made of."""
        config = self.config
        windows = qa_windows.make_windows(
            rows, tokenizer, config.max_length, config.overlap, config.max_question
        )
        segments, asked = windows.segments, windows.context_starts - 2
        features = {
            "tokens": [ids[:n] for ids, n in zip(windows.ids, windows.lengths, strict=True)],
            "segments": [part[:n] for part, n in zip(segments, windows.lengths, strict=True)],
            # A question without a token still has a place, which is none of its own.
            "question": [np.ones(n, "int32") if n else np.zeros(1, "int32") for n in asked],
            "labels": list(windows.answers),
        }
        shapes = []
        for window, count in enumerate(asked if tokenizer.has_shapes else ()):
            row = rows[windows.rows[window]]
            question, context = row["question"], row["context"]
            of_question = shared.shapes(question, tokenizer.encode(question)[1][:count])
            of_context = shared.shapes(context, windows.context_offsets(window))
            shapes.append([0, *of_question, 0, *of_context, 0])
        padding = {"tokens": tokenizer.pad, "segments": 0, "question": 0, "labels": 0}
        return shared.examples(features, padding, tokenizer, shapes), windows

    def network(self, encoder, classes, **shared):
        return AnswerFinder(
            encoder,
            attention=self.config.matching if self.config.question_attention else None,
            reading_layers=0 if self.config.backbone else 1,
            **shared,
        )

    def readings(self, rows, encoded, outputs, reader):
        _, windows = encoded
        logits = np.full((2, *windows.ids.shape), IMPOSSIBLE, "float32")
        for window, values in enumerate(outputs):
            length = windows.lengths[window]
            logits[:, window, :length] = values[:length].T
        spans, best = qa_windows.best_spans(windows, *logits, max_answer=self.config.max_answer)
        return [
            {
                "answer": row["context"][start:end],
                "start": int(start),
                "end": int(end),
                "score": float(score) if np.isfinite(score) else None,
            }
            for row, (start, end), score in zip(rows, spans, best, strict=True)
        ]

    def look(self, rows, encoded, weights):
        """Of each context how its tokens attended to those of the question, `(S, Q)`.

        A token's are those of the window where it has most tokens on both sides.
        """
        examples, windows = encoded
        found, margins = [None] * len(rows), [None] * len(rows)
        for window, row in enumerate(windows.rows):
            if found[row] is None:
                asked = len(examples.features["question"][window])
                found[row] = np.zeros((len(windows.offsets[row]), asked), "float32")
                margins[row] = np.full(len(found[row]), -1)
            count = len(windows.context_offsets(window))
            first, at = windows.first_tokens[window], windows.context_starts[window]
            places = np.arange(count)
            margin = np.minimum(places, count - 1 - places)
            better = np.flatnonzero(margin > margins[row][first : first + count])
            here = weights[window][at : at + count, : found[row].shape[1]]
            found[row][first + better] = here[better]
            margins[row][first + better] = margin[better]
        return found

    def map(self, reading, weights, tokenizer):
        """The words around the answer, which is in brackets, over those of the question."""
        question, context = reading.row["question"], reading.row["context"]
        asked_spans = tokenizer.encode(question)[1][: weights.shape[1]]
        asked, words = shared.word_spans(question), shared.word_spans(context)
        by_question = shared.per_word(weights, asked_spans, asked)
        spans = tokenizer.encode(context)[1]
        means = shared.per_word(by_question.T, spans, words, mean=True).T
        inside = [
            i for i, (start, end) in enumerate(words) if start < reading.end and end > reading.start
        ]
        first, last = (inside[0], inside[-1]) if inside else (0, 0)
        shown = range(max(first - AROUND, 0), min(last + AROUND + 1, len(words)))
        names = [context[slice(*words[i])] for i in shown]
        if inside:
            names[first - shown.start] = "[" + names[first - shown.start]
            names[last - shown.start] += "]"
        wanted = dict.fromkeys(answer["text"] for answer in reading.row.get("answers", []))
        return Alignment(
            map=AttentionMap(names, means[list(shown)], ("word", "source")),
            source_words=tuple(question[start:end] for start, end in asked),
            reference=" / ".join(wanted),
            text=reading.answer,
            labels=SHOWN,
        )

    def score(self, predictions, rows):
        wanted = [[answer["text"] for answer in row["answers"]] for row in rows]
        return answer_scores.score(predictions, wanted)
