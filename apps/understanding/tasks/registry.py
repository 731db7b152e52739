"""The tasks by name; whatever differs between them is in this folder."""

from apps.understanding.tasks.ner import EntityRecognition
from apps.understanding.tasks.qa import QuestionAnswering
from apps.understanding.tasks.sentiment import Sentiment

TASKS = {task.NAME: task for task in (Sentiment, EntityRecognition, QuestionAnswering)}


def task_of(config):
    """The `task.Task` of a `Config`."""
    return TASKS[config.task](config)
