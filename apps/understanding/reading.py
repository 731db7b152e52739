"""What a trained model makes of rows: labels, tags or answers, and what it looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.understanding import data
from pipelines.commands import runs
from pipelines.commands.errors import UserError
from pipelines.text import qa_windows, subwords
from pipelines.text.text_batches import whole_batches

CLASSES = "classes.json"
TOKENS_AT_ONCE = 8192


@dataclass(frozen=True)
class Reader:
    """A model and all that it takes to read texts with it.

    Attributes:
        model: Of `apps.understanding.model`.
        tokenizer: The `Subwords`.
        classes: Names of the labels or tags.
        config: The run's `Config`.
    """

    model: Any
    tokenizer: Any
    classes: list[str]
    config: Any

    @classmethod
    def load(cls, folder, config):
        """The reader of a finished run."""
        import apps.understanding.model  # noqa: F401

        if config.backbone is not None:
            import keras_hub  # noqa: F401
        model, path = runs.load_model(folder), Path(folder) / CLASSES
        try:
            classes = runs.read_json(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise UserError(f"{path} is no list of labels")
        return cls(model, subwords.load(folder), classes, config)

    def save(self, folder):
        """Writes what `load` reads, but for the model."""
        self.tokenizer.save(folder)
        runs.write_json(Path(folder) / CLASSES, self.classes)

    def read(self, rows):
        """What the model makes of rows.

        Args:
            rows: See `data.read`; labels, tags and answers are not looked at.

        Returns:
            For each row a dict. Of a text: `label`, or the list of those that it has, and the
            `probability` of the label, or of each. Of a sentence: `tags`. Of a question: `answer`,
            with the `start` and `end` of its characters in the context, and what it `score`s
            against no answer.
        """
        if not rows:
            return []
        return getattr(self, f"_read_{self.config.task}")(rows)

    def look(self, rows):
        """What the model looked at.

        Returns:
            For each row the weights over its tokens without special ones. Of a text `(S,)`; of a
            sentence for each word how it looked at each word, `(W, W)`; of a question for each
            token of the context what it saw of the question's, `(S, Q)`.
        """
        if not rows:
            return []
        from apps.understanding.model import Looking

        examples, origin = self._encode(rows)
        weights = self._outputs(examples, Looking(self.model))
        return getattr(self, f"_look_{self.config.task}")(rows, examples, origin, weights)

    def _encode(self, rows):
        kept = {"sentiment": "text", "ner": "tokens", "qa": "question"}[self.config.task]
        bare = [{name: row[name] for name in (kept, "context") if name in row} for row in rows]
        return data.encode(self.config.task, bare, self.tokenizer, self.classes, self.config)

    def _outputs(self, examples, model=None):
        """For each example what a model puts out, with padding."""
        outputs = [None] * len(examples)
        for rows, features in whole_batches(examples, TOKENS_AT_ONCE):
            features.pop("labels")
            batch = np.asarray((model or self.model).predict_on_batch(features), "float32")
            if not np.isfinite(batch).all():
                raise UserError("the model's scores are not finite: its training diverged")
            for row, values in zip(rows, batch, strict=False):
                outputs[row] = values
        return outputs

    def _read_sentiment(self, rows):
        logits = np.stack(self._outputs(self._encode(rows)[0])).astype("float64")
        if self.config.multi_label:
            probabilities = 1 / (1 + np.exp(-logits))
            return [
                {
                    "label": [name for name, p in zip(self.classes, ps, strict=True) if p > 0.5],
                    "probability": [round(float(p), 4) for p in ps if p > 0.5],
                }
                for ps in probabilities
            ]
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        return [
            {"label": self.classes[ps.argmax()], "probability": round(float(ps.max()), 4)}
            for ps in probabilities
        ]

    def _read_ner(self, rows):
        from keras import ops

        examples, pieces = self._encode(rows)
        tags = [["O"] * len(row["tokens"]) for row in rows]
        scores = self._outputs(examples)
        for start in range(0, len(pieces), 256):
            some = pieces[start : start + 256]
            lengths = np.array([stop - begin for _, begin, stop in some])
            batch = np.zeros((len(some), lengths.max(), len(self.classes)), "float32")
            for each, of_words, length in zip(batch, scores[start:], lengths, strict=False):
                each[:length] = of_words[:length]
            mask = np.arange(lengths.max()) < lengths[:, None]
            paths = ops.convert_to_numpy(self.model.decode(batch, mask))
            for (row, begin, stop), path in zip(some, paths, strict=True):
                tags[row][begin:stop] = [self.classes[i] for i in path[: stop - begin]]
        return [{"tags": each} for each in tags]

    def _read_qa(self, rows):
        examples, windows = self._encode(rows)
        scores = np.full((2, *windows.ids.shape), -1e9, "float32")
        for window, values in enumerate(self._outputs(examples)):
            length = windows.lengths[window]
            scores[:, window, :length] = values[:length].T
        spans, best = qa_windows.best_spans(windows, *scores, max_answer=self.config.max_answer)
        return [
            {
                "answer": row["context"][start:end],
                "start": int(start),
                "end": int(end),
                "score": round(float(score), 3) if np.isfinite(score) else None,
            }
            for row, (start, end), score in zip(rows, spans, best, strict=True)
        ]

    def _look_sentiment(self, rows, examples, origin, weights):
        return [
            each[1 : length - 1] for each, length in zip(weights, examples.lengths, strict=True)
        ]

    def _look_ner(self, rows, examples, origin, weights):
        found = [np.zeros((len(row["tokens"]),) * 2, "float32") for row in rows]
        for piece, (row, begin, stop) in enumerate(origin):
            firsts = examples.features["words"][piece]
            last = examples.lengths[piece] - 1
            for word, (first, end) in enumerate(zip(firsts, [*firsts[1:], last], strict=True)):
                part = weights[piece][: stop - begin, first:end]
                found[row][begin:stop, begin + word] = part.sum(axis=1)
        return found

    def _look_qa(self, rows, examples, origin, weights):
        """Of each token of a context, from the window where it has most on its sides."""
        found, margins = [None] * len(rows), [None] * len(rows)
        for window, row in enumerate(origin.rows):
            if found[row] is None:
                asked = len(examples.features["question"][window])
                found[row] = np.zeros((len(origin.offsets[row]), asked), "float32")
                margins[row] = np.full(len(found[row]), -1)
            count = len(origin.context_offsets(window))
            first, at = origin.first_tokens[window], origin.context_starts[window]
            places = np.arange(count)
            margin = np.minimum(places, count - 1 - places)
            better = np.flatnonzero(margin > margins[row][first : first + count])
            here = weights[window][at : at + count, : found[row].shape[1]]
            found[row][first + better] = here[better]
            margins[row][first + better] = margin[better]
        return found
