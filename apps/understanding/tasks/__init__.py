"""The tasks: whatever differs between them is in this folder, and `of` alone chooses by name."""

from typing import NamedTuple


class Defaults(NamedTuple):
    """What a run of a task has where no flag says otherwise.

    Attributes:
        epochs: Passes over the training examples.
        tokens_per_batch: Tokens of a batch, padding included.
    """

    epochs: int
    tokens_per_batch: int


DEFAULTS = {
    "sentiment": Defaults(epochs=12, tokens_per_batch=1024),
    "ner": Defaults(epochs=6, tokens_per_batch=1024),
    "qa": Defaults(epochs=2, tokens_per_batch=2048),
}


def of(config):
    """The `task.Task` of a configuration."""
    # They stand on Keras, which --help does without.
    from apps.understanding.tasks.ner import EntityRecognition
    from apps.understanding.tasks.qa import QuestionAnswering
    from apps.understanding.tasks.sentiment import Sentiment

    known = {task.NAME: task for task in (Sentiment, EntityRecognition, QuestionAnswering)}
    return known[config.task](config)
