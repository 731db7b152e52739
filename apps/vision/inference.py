"""A trained image classifier, for Python and for the commands."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from rich.table import Table
from rich.text import Text

import layers
from apps.vision import data, maps
from apps.vision.config import Config
from pipelines.commands import runs
from pipelines.commands.cluster import processes
from pipelines.commands.terminal import console, printable
from pipelines.decoding.result import Alternative, Result
from pipelines.images import image_files
from pipelines.maps.confusion_pictures import draw_confusion
from pipelines.metrics import classification

ALTERNATIVES = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Classification(Result):
    """What an image was classified as.

    Attributes:
        image: The image: a path or pixels, as it was given.
        label: The most probable class; `score` is its probability.
        truth: The class that its row gives; `None` if it gives none.
        pixels: What the model saw, `(size, size, C)`, uint8.
    """

    image: Path | str | np.ndarray
    label: str
    truth: str | None = None
    pixels: np.ndarray = dataclasses.field(repr=False)

    @property
    def classes(self):
        """The label and the alternatives, each with its probability."""
        return (Alternative(self.label, self.score), *self.alternatives)

    @property
    def caption(self):
        """What is said of the image: its class, beside the true one where that is known."""
        if self.truth is None:
            return f"Predicted {self.label}"
        verdict = "correct" if self.label == self.truth else "wrong"
        return f"True {self.truth} / predicted {self.label} ({verdict})"


class Classifier:
    """An image classification model with the names of its classes.

    Example:
    ```python
    classifier = Classifier.load("runs/vision/latest")
    result = classifier.predict("photo.jpg")[0]
    print(result.label, result.score, result.alternatives)
    result.attention.save("map.png")
    ```

    Args:
        model: A model that `apps.vision.model.build` made.
        names: The names of its classes, in the order of its outputs.
        config: The run's `Config`.
    """

    def __init__(self, model, names, config):
        self.model = model
        self.names = names
        self.config = config
        self._scorers = {}

    @classmethod
    def load(cls, run, config=None, **settings):
        """Opens a finished run.

        Args:
            run: Its folder.
            config: A `Config` in place of the one in the folder.
            **settings: Fields of the configuration to replace, such as `batch_size=8`.

        Raises:
            UserError: The folder is not a run, or a file in it is damaged.
        """
        config = dataclasses.replace(config or runs.load(run, Config), **settings)
        names = runs.read_names(Path(run) / data.NAMES)
        model = runs.load_model(run, layers.VisionTransformer)
        runs.check_together(run, "labels", len(names), model.classes)
        return cls(model, names, config)

    def save_preprocessing(self, folder):
        """Writes what `load` reads besides the model."""
        runs.write_json(folder / data.NAMES, self.names)

    @property
    def image_size(self):
        """Width and height of the images that the model sees, in pixels."""
        return self.model.tokenizer.input_shape[1]

    @property
    def channels(self):
        """1 if it sees them in grey, 3 if in colour."""
        return self.model.tokenizer.input_shape[-1]

    def scorer(self, test_flip=False):
        """The model from pixels to probabilities.

        Args:
            test_flip: Whether they are the mean over an image and its mirror image.
        """
        if test_flip not in self._scorers:
            pixels = keras.Input(self.model.tokenizer.input_shape[1:])
            softmax = keras.layers.Softmax(dtype="float32")
            probabilities = softmax(self.model(pixels))
            if test_flip:
                mirrored = softmax(self.model(keras.ops.flip(pixels, axis=2)))
                probabilities = (probabilities + mirrored) / 2
            self._scorers[test_flip] = keras.Model(pixels, probabilities)
        return self._scorers[test_flip]

    def predict(self, inputs, skipped=None, test_flip=False):
        """Classifies images.

        Args:
            inputs: Paths, pixels `(height, width)` or `(height, width, 3)`, uint8, or rows with a
                `path` or `file_name` and perhaps, for the map, a `label`. One alone is taken too.
            skipped: A list that takes the position and the `UserError` of each image that cannot
                be read.
            test_flip: Whether to average the probabilities of an image and its mirror image.

        Returns:
            A `Classification` for each image that can be read.

        Raises:
            UserError: An image cannot be read, and there is no `skipped`.
        """
        rows, results = image_files.as_rows(inputs), []
        for positions, pixels in image_files.batches(
            [row["path"] for row in rows],
            self.image_size,
            self.config.batch_size,
            self.channels,
            skipped,
        ):
            scorer = self.scorer(test_flip)
            probabilities = np.stack(
                processes.divide(
                    lambda own, scorer=scorer: scorer.predict_on_batch(own.astype("float32")),
                    pixels,
                )
            )
            results += self._results([rows[i] for i in positions], pixels, probabilities)
        return results

    def _results(self, rows, pixels, probabilities):
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : 1 + ALTERNATIVES]
        return [
            self._result(row, seen, [Alternative(self.names[i], float(shares[i])) for i in best])
            for row, seen, shares, best in zip(rows, pixels, probabilities, order, strict=True)
        ]

    def _result(self, row, pixels, classes):
        result = Classification(
            image=row["path"],
            label=classes[0].text,
            score=classes[0].score,
            alternatives=tuple(classes[1:]),
            truth=row.get("label"),
            pixels=pixels,
            look=lambda: maps.image_maps(self.model, [result])[0],
        )
        return result

    def evaluate(self, rows, report=None, test_flip=False):
        """Classifies images and compares with their labels.

        Args:
            rows: Of `data.read`, or a `data.Split` that is open already.
            report: A `pipelines.commands.runs.Report` to write metrics, predictions, the confusion
                matrix and maps to.
            test_flip: As for `predict`.

        Returns:
            The metrics.

        Raises:
            UserError: Too many labels are none of the model's classes.
        """
        split = rows
        if not isinstance(rows, data.Split):
            split = data.open_split(image_files.as_rows(rows), self.image_size, self.channels)
        what = f"{report.split} images" if report else "images"
        split = data.with_known_labels(split, self.names, what)
        labels = split.labels(self.names)

        def score(places):
            batches = data.image_batches(split, self.config.batch_size, places)
            return self.scorer(test_flip).predict(batches, verbose=0)

        probabilities = np.stack(processes.divide(score, range(len(split.rows))))
        metrics = classification.score(probabilities, labels)
        if report is not None:
            self._write(report, split, probabilities, metrics)
        return metrics

    def _write(self, report, split, probabilities, metrics):
        labels, predicted = split.labels(self.names), probabilities.argmax(axis=1)
        matrix = classification.confusion_matrix(labels, predicted, len(self.names))
        classes = classification.class_scores(matrix, self.names)
        print_classes(classes)
        report.write(metrics, len(split.rows), self.model.count_params())
        report.write_rows(
            "predictions",
            [
                {
                    "file_name": row["file_name"],
                    "label": row["label"],
                    "predicted": self.names[best],
                    "probability": round(float(shares[best]), 4),
                }
                for row, shares, best in zip(split.rows, probabilities, predicted, strict=True)
            ],
        )
        classification.write_class_scores(report.folder / f"classes_{report.split}.csv", classes)
        draw_confusion(report.folder / f"confusion_{report.split}.png", matrix, self.names)
        shown = maps.choose(labels, predicted)
        rows = [split.rows[i] for i in shown]
        results = self._results(rows, data.gather(split, shown), probabilities[shown])
        names = [f"{i:05d}-{Path(row['path']).stem}" for i, row in zip(shown, rows, strict=True)]
        page = maps.draw(report.folder / "maps", self.model, results, names, metrics)
        console.print(f"maps: {page}")


def print_classes(classes, most=20):
    """Prints the scores of the classes, the worst where there are many."""
    shown = classes
    if len(classes) > most:
        console.print(f"the {most} worst of {len(classes)} classes")
        shown = sorted(classes, key=lambda row: row.f1)[:most]
    table = Table("class", *("precision", "recall", "f1", "images"), box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in shown:
        values = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1))
        table.add_row(Text(printable(row.name)), *values, f"{row.support:,}")
    console.print(table, soft_wrap=False)
