"""From a data set's name to the rows of a task, and to batches of them."""

import itertools

from apps.understanding.tasks.registry import task_of
from pipelines.data import sources
from pipelines.text import subwords, text_batches, word_vectors

MOST_VECTORS = 50_000  # that a vocabulary takes of a file beside the words of training


def read(config, wanted=sources.SPLITS):
    """The rows of the splits that are wanted; one that is missing is cut from train.

    Args:
        config: A `Config`.
        wanted: Some of "train", "validation" and "test".

    Returns:
        For each split a list of rows. Those of "sentiment" have `text` and `label`, a text or a
        list of texts; those of "ner" `tokens` and `tags`, in BIO; those of "qa" `context`,
        `question`, `id`, and `answers`, a list of `{"text", "start"}`.
    """
    splits = task_of(config).read(wanted)
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
    if config.backbone is not None:
        return subwords.open_preset(config.backbone)
    task = task_of(config)
    texts = (text for row in rows for text in task.texts(row))
    if config.vectors is not None or config.tokenizer == "words":
        known = () if config.vectors is None else _words_of(config.vectors)
        return subwords.LowerCaseWords.train(texts, config.vocabulary_size, known)
    return subwords.BytePairs.train(texts, config.vocabulary_size)


def training_batches(rows, tokenizer, classes, config):
    """The `Batches` of the training rows."""
    examples, _ = task_of(config).encode(rows, tokenizer, classes)
    return text_batches.training_batches(examples, config.batch_tokens, config.seed)


def _words_of(path):
    """The first words of a file of vectors, which are the most frequent ones."""
    lines = itertools.islice(word_vectors.text_lines(path), MOST_VECTORS)
    return [line.split(" ", 1)[0] for _, line in lines if line.count(" ") > 1]
