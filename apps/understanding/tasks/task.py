"""What the commands know of a task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipelines.builtin import intents
from pipelines.data import labels, sources
from pipelines.data.splits import Identity
from pipelines.decoding.result import Result


@dataclass(frozen=True, eq=False, kw_only=True)
class Reading(Result, ABC):
    """What a model makes of a row.

    Attributes:
        row: The row.
        truncated: Whether it was too long for the model and was cut.
    """

    row: Mapping[str, Any] = field(repr=False)
    truncated: bool = False

    @property
    @abstractmethod
    def prediction(self):
        """What is scored: the label or labels, the tags, or the text of the answer."""

    @property
    @abstractmethod
    def found(self):
        """What `predictions_SPLIT.jsonl` says of the row."""

    @property
    @abstractmethod
    def line(self):
        """What `predict` prints of it."""


class Task(ABC):
    """A task: its rows, its network, what it answers, what is shown and how that is scored.

    Args:
        config: A `Config`.

    Attributes:
        NAME: Its name.
        FIELDS: The fields of its rows.
        IDENTITY: What tells equal rows.
        FEATURES: For a field, the features of a TensorFlow data set that may hold it.
        INPUTS: Those of the fields that a model reads.
        READING: The class of its results.
        NETWORK: The class of its network.
        MONITOR: The metric that selects the best epoch.
        has_baseline: Whether `baseline` needs the training rows.
    """

    NAME: ClassVar[str]
    FIELDS: ClassVar[dict]
    IDENTITY: ClassVar[Identity]
    FEATURES: ClassVar[dict]
    INPUTS: ClassVar[tuple]
    READING: ClassVar[type]
    NETWORK: ClassVar[type]
    MONITOR: ClassVar[str]
    has_baseline: ClassVar[bool] = False

    def __init__(self, config):
        self.config = config

    # --- rows

    def data_set(self, **own):
        """What is read of a data set: what all tasks have in common, and the task's own."""
        return sources.DataSet(
            fields=self.FIELDS,
            builtin={"intents": intents.WRITERS[self.NAME]},
            version=f"{self.NAME}-{intents.VERSION}",
            identity=self.IDENTITY,
            tfds_features=self.FEATURES,
            **own,
        )

    @abstractmethod
    def read(self, wanted):
        """For each of the splits that are wanted its rows."""

    @abstractmethod
    def row(self, given):
        """The row that `Reader.predict` is given, which may be a text where the task allows."""

    @abstractmethod
    def texts(self, row):
        """The texts of a row that a vocabulary is made of."""

    def names(self, rows):
        """The labels of texts, or the types of entities, in their order; an iterator."""
        return iter(())

    def classes(self, rows):
        """What a model of training rows tells apart: labels, or tags in BIO."""
        return []

    def report_unknown(self, rows, split, classes):
        """Names the labels of a split that are none of the classes, if there are any."""
        labels.report_unknown(self.names(rows), self.known(classes), split)

    def known(self, classes):
        """The names that the classes stand for."""
        return classes

    @abstractmethod
    def encode(self, rows, tokenizer, classes):
        """Rows as what models take, with labels as far as the rows have them.

        Args:
            rows: See `read`.
            tokenizer: The `Subwords`.
            classes: See `classes`. Labels that are none of them are no label.

        Returns:
            `pipelines.text.text_batches.Examples`, and what `readings` and `look` need to know of
            where these come from.
        """

    # --- network

    @abstractmethod
    def network(self, encoder, classes, **shared):
        """The network over an encoder, not yet built; `shared` is what all tasks give theirs."""

    @abstractmethod
    def readings(self, rows, encoded, outputs, reader):
        """What the outputs of the network say.

        Args:
            rows: Those that were encoded.
            encoded: What `encode` returned.
            outputs: For each example an array.
            reader: The `Reader`, for its model and classes.

        Returns:
            For each row the fields of a `READING` that are the task's own.
        """

    # --- attention

    def visible(self, row):
        """The part of a row whose attention is shown."""
        return row

    @abstractmethod
    def look(self, rows, encoded, weights):
        """The attention of rows, without special tokens.

        Args:
            rows: Those that were encoded.
            encoded: What `encode` returned.
            weights: For each example an array, as the network returns it.

        Returns:
            For each row an array that `map` takes.
        """

    @abstractmethod
    def map(self, reading, weights, tokenizer):
        """The map of one row, which a gallery shows."""

    # --- evaluation

    @abstractmethod
    def score(self, predictions, rows):
        """All metrics of rows; what no model can know counts as wrong.

        Args:
            predictions: The `prediction` of what was read in each.
            rows: The rows.
        """

    def baseline(self, training, rows):
        """Metrics of rows without a model, by the training rows."""
        return {}

    def class_scores(self, predictions, rows):
        """How each label or type fares, for `pipelines.metrics.classification`; or nothing."""
        return None
