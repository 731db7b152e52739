"""A trained model that understands text, for Python and for the commands."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

import apps.understanding.model  # noqa: F401  Saved models are made of what it imports.
from apps.understanding import data, maps
from apps.understanding.base import Looking
from apps.understanding.config import Config
from apps.understanding.tasks.registry import task_of
from pipelines.commands import runs
from pipelines.commands.cluster import processes
from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console
from pipelines.data.rows import Rows, chunks
from pipelines.metrics import classification
from pipelines.text import subwords
from pipelines.text.text_batches import whole_batches

TOKENS_AT_ONCE = 8192
ROWS_AT_ONCE = 4096  # of an evaluation


class Reader:
    """A model of one of the tasks, with its tokenizer and its classes.

    Example:
    ```python
    reader = Reader.load("runs/understanding/latest")
    result = reader.predict("The soup was anything but good.")[0]
    print(result.label, result.score, result.alternatives)
    result.attention.save("map.png")
    ```

    Args:
        model: A network that `apps.understanding.model.build` made.
        tokenizer: The `pipelines.text.subwords.Subwords` of the run.
        classes: Names of the labels, or of the tags in BIO; none of answers.
        config: The run's `Config`.
    """

    def __init__(self, model, tokenizer, classes, config):
        self.model = model
        self.tokenizer = tokenizer
        self.classes = classes
        self.config = config
        self.task = task_of(config)

    @classmethod
    def load(cls, run, config=None, **decoding):
        """Opens a finished run.

        Args:
            run: Its folder.
            config: A `Config` in place of the one in the folder.
            **decoding: Fields of the configuration to replace, such as `max_answer=8`.

        Raises:
            UserError: The folder is not a run, or a file in it is damaged.
        """
        config = dataclasses.replace(config or runs.load(run, Config), **decoding)
        if config.backbone is not None:
            import keras_hub  # noqa: F401
        classes, tokenizer = runs.read_names(Path(run) / data.CLASSES), subwords.load(run)
        model = runs.load_model(run, task_of(config).NETWORK)
        runs.check_together(run, "classes", len(classes), model.class_count)
        if (tokens := model.encoder.vocabulary_size) < tokenizer.vocabulary_size:
            runs.check_together(run, "tokens", tokenizer.vocabulary_size, tokens)
        return cls(model, tokenizer, classes, config)

    def save_preprocessing(self, folder):
        """Writes what `load` reads besides the model."""
        self.tokenizer.save(folder)
        runs.write_json(Path(folder) / data.CLASSES, self.classes)

    def predict(self, inputs, **decoding):
        """Classifies texts, tags sentences, or answers questions, as the run has learned it.

        Args:
            inputs: Texts, of which the words of a sentence are found; or rows, with the `text`, the
                `tokens` of a sentence, or the `context` and `question`. One alone is taken too.
            **decoding: Fields of the configuration to replace, such as `max_answer=8`.

        Returns:
            For each a `Classified` with its `label`, a `Tagged` with its `tags` and `entities`, or
            an `Answered` with its `answer`; see `apps/understanding/tasks`.
        """
        inputs = [inputs] if isinstance(inputs, str | dict) else inputs
        task = task_of(dataclasses.replace(self.config, **decoding))
        rows = [task.row(given) for given in inputs]
        if not rows:
            return []
        encoded = self._encode(rows, task)
        examples = encoded[0]
        outputs = processes.divide(
            lambda some: self._outputs(self.model, examples.take(some)), range(len(examples))
        )
        found = task.readings(rows, encoded, outputs, self)
        return [self._reading(row, each) for row, each in zip(rows, found, strict=True)]

    def _reading(self, row, found):
        reading = self.task.READING(row=row, look=lambda: self.look([reading])[0], **found)
        return reading

    def look(self, readings):
        """The attention maps of what `predict` returned, of all together.

        That is faster than the `attention` of one after the other.
        """
        if not readings:
            return []
        rows = [self.task.visible(reading.row) for reading in readings]
        encoded = self._encode(rows, self.task)
        weights = self.task.look(rows, encoded, self._outputs(self._looking, encoded[0]))
        return [
            self.task.map(reading, each, self.tokenizer)
            for reading, each in zip(readings, weights, strict=True)
        ]

    @functools.cached_property
    def _looking(self):
        return Looking(self.model)

    def _encode(self, rows, task):
        """Rows as the model takes them, without their labels, tags or answers."""
        bare = [{name: row[name] for name in task.INPUTS} for row in rows]
        return task.encode(bare, self.tokenizer, self.classes)

    @staticmethod
    def _outputs(model, examples):
        """For each example what a model puts out, with padding."""
        outputs = [None] * len(examples)
        for rows, features in whole_batches(examples, TOKENS_AT_ONCE):
            features.pop("labels")
            batch = np.asarray(model.predict_on_batch(features), "float32")
            if not np.isfinite(batch).all():
                raise UserError("the model's scores are not finite: its training diverged")
            for row, values in zip(rows, batch, strict=False):
                outputs[row] = values
        return outputs

    def evaluate(self, rows, report=None, training=None, **decoding):
        """Reads rows and compares with their labels, tags or answers.

        Args:
            rows: See `apps.understanding.data.read`.
            report: A `pipelines.commands.runs.Report` to write metrics, predictions and maps to.
            training: The rows of training, for the baseline of a task that has one.
            **decoding: Fields of the configuration to replace.

        Returns:
            The metrics.
        """
        predictions, shown = [], []

        def read():
            for some in chunks(rows, ROWS_AT_ONCE):
                readings = self.predict(some, **decoding)
                predictions.extend(reading.prediction for reading in readings)
                shown.extend(readings[: maps.ON_PAGE - len(shown)])
                yield from (reading.found for reading in readings)

        found = Rows(read())
        metrics = self.task.score(predictions, rows)
        if training is not None:
            metrics |= self.task.baseline(training, rows)
        if report is not None:
            report.write(metrics, len(rows), self.model.count_params())
            both = zip(rows, found, strict=True)
            report.write_rows("predictions", ({**row, "found": each} for row, each in both))
            self._write_classes(report, predictions, rows)
            console.print(f"maps: {maps.draw(self, report.folder / 'maps', shown, metrics)}")
        return metrics

    def _write_classes(self, report, predictions, rows):
        if (scores := self.task.class_scores(predictions, rows)) is not None:
            path = report.folder / f"classes_{report.split}.csv"
            classification.write_class_scores(path, scores)
