"""From a data set's name to the rows of a task, and to batches of them."""

import itertools

from apps.understanding.tasks.registry import task_of
from pipelines.commands import runs
from pipelines.commands.disk import prepared_data
from pipelines.data import sources
from pipelines.data.prepared.folder import open_splits
from pipelines.data.prepared.rows import PreparedRows
from pipelines.data.rows import chunks
from pipelines.text import subwords, text_batches, word_vectors

CLASSES = "classes.json"
AT_ONCE = 1_000  # rows that are encoded together
MOST_VECTORS = 50_000  # that a vocabulary takes of a file beside the words of training


def read(config, wanted=sources.SPLITS):
    """The rows of the splits that are wanted; one that is missing is cut from train.

    Args:
        config: A `Config`.
        wanted: Some of "train", "validation" and "test".

    Returns:
        For each split its rows, a sequence on disk. Those of "sentiment" have `text` and `label`,
        a text or a list of texts; those of "ner" `tokens` and `tags`, in BIO; those of "qa"
        `context`, `question`, `id`, and `answers`, a list of `{"text", "start"}`.
    """
    task = task_of(config)
    if prepared_data.is_prepared(config.dataset):
        return open_splits(config.dataset, config.APPLICATION, task.FIELDS, wanted)
    splits = task.read(wanted)
    if "train" in splits:
        splits["train"] = splits["train"][: config.max_train]
    return splits


def make_tokenizer(rows, config):
    """The tokenizer of a run, made from its training rows alone unless it is a preset's.

    Args:
        rows: Those of the training split.
        config: A `Config`.

    Returns:
        A `pipelines.text.subwords.Subwords`.
    """
    if isinstance(rows, PreparedRows):
        return subwords.load(rows.folder)
    if config.backbone is not None:
        return subwords.open_preset(config.backbone)
    task = task_of(config)
    texts = (text for row in rows for text in task.texts(row))
    if config.vectors is not None or config.tokenizer == "words":
        known = () if config.vectors is None else _words_of(config.vectors)
        return subwords.LowerCaseWords.train(texts, config.vocabulary_size, known)
    return subwords.BytePairs.train(texts, config.vocabulary_size)


def make_classes(rows, config):
    """What a model of training rows tells apart, see `Task.classes`."""
    if isinstance(rows, PreparedRows):
        return runs.read_names(rows.folder / CLASSES)
    return task_of(config).classes(rows)


def training_batches(rows, tokenizer, classes, config):
    """The `Batches` of the training rows, encoded on disk."""
    task = task_of(config)
    if isinstance(rows, PreparedRows) and rows.split == "train":
        like = task.encode(list(rows[:1]), tokenizer, classes)[0]
        features = {name: rows.ragged(name) for name in like.features}
        examples = text_batches.Examples(features, like.padding)
        return text_batches.training_batches(examples, config.batch_tokens, config.seed)
    parts = (task.encode(some, tokenizer, classes)[0] for some in chunks(rows, AT_ONCE))
    examples = text_batches.keep(parts)
    return text_batches.training_batches(examples, config.batch_tokens, config.seed)


def _words_of(path):
    """The first words of a file of vectors, which are the most frequent ones."""
    lines = itertools.islice(word_vectors.text_lines(path), MOST_VECTORS)
    return [line.split(" ", 1)[0] for _, line in lines if line.count(" ") > 1]
