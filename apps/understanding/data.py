"""From a data set's name to the rows of a task, and from these to what models take."""

import itertools

import numpy as np

from pipelines.builtin import intents
from pipelines.commands.errors import UserError
from pipelines.data import (
    answers,
    conll,
    json_lines,
    labels,
    sources,
    split_files,
    squad,
    tables,
    tags,
)
from pipelines.text import lower_words, qa_windows, subwords
from pipelines.text.text_batches import Examples

MOST_VECTORS = 50_000  # that a vocabulary takes of a file beside the words of training

FIELDS = {
    "sentiment": {"text": str, "label": str},
    "ner": {"tokens": list, "tags": list},
    "qa": {"context": str, "question": str, "answers": list},
}
TFDS_FEATURES = {
    "sentiment": {
        "text": ("text", "sentence", "review", "description"),
        "label": ("label", "intent_name"),
    },
    "ner": {"tokens": ("tokens",), "tags": ("ner", "tags")},
    "qa": {"answers": {"text": ("answers/text",), "start": ("answers/answer_start",)}},
}
COLUMNS = {"text": ("text", "sentence", "review"), "label": ("label", "sentiment", "class")}


def read(config, wanted=sources.SPLITS):
    """The rows of the splits that are wanted; one that is missing is cut from train.

    Args:
        config: With `task`, `dataset`, `data_dir` and `max_train`.
        wanted: Some of "train", "validation" and "test".

    Returns:
        For each split a list of rows. Those of "sentiment" have `text` and `label`, a text or a
        list of texts; those of "ner" `tokens` and `tags`, in BIO; those of "qa" `context`,
        `question`, `id`, and `answers`, a list of `{"text", "start"}`.
    """
    folder = sources.locate(
        config.dataset,
        {"intents": intents.WRITERS[config.task]},
        version=f"{config.task}-{intents.VERSION}",
        fields=FIELDS[config.task],
        tfds_features=TFDS_FEATURES[config.task],
        data_dir=config.data_dir,
    )
    splits = READERS[config.task](folder, wanted)
    if config.task == "sentiment" and not config.multi_label:
        for split, rows in splits.items():
            if any(isinstance(row["label"], list) for row in rows):
                raise UserError(
                    f"some label of {split} is a list: --multi-label gives a text any number of "
                    "labels"
                )
    if "train" in splits:
        splits["train"] = splits["train"][: config.max_train]
    return splits


def report_unknown(task, rows, split, classes):
    """Names the labels of a split that are none of the classes of a model, if there are any."""
    known = {name[2:] for name in classes} if task == "ner" else classes
    labels.report_unknown(label_names(task, rows), known, split)


def label_names(task, rows):
    """The labels of texts, or the types of entities, in their order; none of answers."""
    if task == "ner":
        return [tag[2:] for row in rows for tag in row["tags"] if tag.startswith("B-")]
    found = [row["label"] for row in rows] if task == "sentiment" else []
    return [name for label in found for name in (label if isinstance(label, list) else [label])]


def _read_sentiment(folder, wanted):
    def table(path):
        return tables.read(path, COLUMNS)

    readers = {".jsonl": _read_texts, ".csv": table, ".tsv": table}
    return split_files.read_splits(folder, readers, wanted, label="label", content="text")


def _read_ner(folder, wanted):
    readers = {".jsonl": _read_tokens, ".conll": conll.read, ".txt": conll.read, ".tsv": conll.read}
    return split_files.read_splits(folder, readers, wanted)


def _read_qa(folder, wanted):
    readers = {".jsonl": _read_questions, ".json": squad.read}
    splits = split_files.read_splits(folder, readers, wanted, content="context")
    return {
        split: [{**row, "id": str(row.get("id", number))} for number, row in enumerate(rows)]
        for split, rows in splits.items()
    }


READERS = {"sentiment": _read_sentiment, "ner": _read_ner, "qa": _read_qa}


def _read_texts(path):
    return json_lines.read(path, {"text": str}, labels.complaint)


def _read_tokens(path):
    def complaint(row):
        tokens, found = row["tokens"], row["tags"]
        if len(tokens) != len(found):
            return f"{len(tokens)} tokens, but {len(found)} tags"
        return tags.complaint(found)

    return tags.to_bio(json_lines.read(path, FIELDS["ner"], complaint), path)


def _read_questions(path):
    fields = {"context": str, "question": str}
    return answers.place(json_lines.read(path, fields, answers.complaint), path)


def make_subwords(rows, config):
    """The tokenizer of a run, made from its training rows alone unless it is a preset's.

    Args:
        rows: Those of the training split.
        config: A `Config`.

    Returns:
        A `pipelines.text.subwords.Subwords`.
    """
    if config.backbone is not None:
        return subwords.open_preset(config.backbone)
    texts = [text for row in rows for text in _texts(config.task, row)]
    if config.vectors is not None or config.tokenizer == "words":
        known = () if config.vectors is None else _words_of(config.vectors)
        return subwords.LowerCaseWords.train(texts, config.vocabulary_size, known)
    return subwords.BytePairs.train(texts, config.vocabulary_size)


def class_names(task, rows):
    """The classes that a model tells apart: labels, or tags in BIO; none of answers."""
    names = sorted(set(label_names(task, rows)))
    if task == "sentiment" and len(names) < 2:
        raise UserError(f"training needs at least two labels; there is {len(names)}")
    if task == "ner":
        return ["O", *(f"{prefix}-{name}" for name in names for prefix in "BI")]
    return names


def encode(task, rows, tokenizer, classes, config):
    """Rows as what models take, with labels as far as the rows have them.

    Args:
        task: "sentiment", "ner" or "qa".
        rows: See `read`.
        tokenizer: The `Subwords`.
        classes: Of `class_names`. Labels that are none of them are no label.
        config: With `max_length`, `overlap`, `max_question` and `multi_label`.

    Returns:
        `pipelines.text.text_batches.Examples`, and where they come from: for texts and sentences
        a list of `(row, first word, past the last word)`, for questions the `Windows`.
    """
    return ENCODERS[task](rows, tokenizer, classes, config)


def _texts(task, row):
    if task == "sentiment":
        return [row["text"]]
    return [" ".join(row["tokens"])] if task == "ner" else [row["context"], row["question"]]


def _encode_texts(rows, tokenizer, classes, config):
    index, features, pieces = {name: i for i, name in enumerate(classes)}, {"tokens": []}, []
    targets, shapes = [], []
    for number, row in enumerate(rows):
        ids, spans = (part[: config.max_length - 2] for part in tokenizer.encode(row["text"]))
        features["tokens"].append(_framed(ids, tokenizer))
        shapes.append(np.array([0, *_shapes(row["text"], spans), 0], "int32"))
        label = row.get("label", [])
        target = np.zeros(len(classes), "float32")
        for name in label if isinstance(label, list) else [label]:
            if name in index:
                target[index[name]] = 1
        targets.append(target)
        pieces.append((number, 0, len(ids)))
    features["labels"] = targets
    padding = {"tokens": tokenizer.pad, "labels": 0}
    return _examples(features, padding, tokenizer, shapes), pieces


def _encode_sentences(rows, tokenizer, classes, config):
    """Sentences too long for a model come in pieces of whole words."""
    index = {name: i for i, name in enumerate(classes)}
    features, pieces, shapes = {"tokens": [], "words": [], "labels": []}, [], []
    room = config.max_length - 2
    for number, row in enumerate(rows):
        ids, firsts = tokenizer.encode_words(row["tokens"])
        of_words = map(lower_words.shape, row["tokens"])
        of_tokens = np.repeat(list(of_words), np.diff([*firsts, len(ids)]))
        tags_of_row = row.get("tags", ["O"] * len(firsts))
        begin = 0
        while begin < len(firsts):
            stop = begin + 1
            ends = [*firsts[1:], len(ids)]
            while stop < len(firsts) and ends[stop] - firsts[begin] <= room:
                stop += 1
            piece = ids[firsts[begin] : ends[stop - 1]][:room]
            features["tokens"].append(_framed(piece, tokenizer))
            written = of_tokens[firsts[begin] : ends[stop - 1]][:room]
            shapes.append(np.array([0, *written, 0], "int32"))
            places = [1 + first - firsts[begin] for first in firsts[begin:stop]]
            features["words"].append(np.array(places, "int32"))
            labels_of_piece = [index.get(tag, 0) for tag in tags_of_row[begin:stop]]
            features["labels"].append(np.array(labels_of_piece, "int32"))
            pieces.append((number, begin, stop))
            begin = stop
    padding = {"tokens": tokenizer.pad, "words": -1, "labels": -1}
    return _examples(features, padding, tokenizer, shapes), pieces


def _encode_questions(rows, tokenizer, classes, config):
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
        of_question = _shapes(row["question"], tokenizer.encode(row["question"])[1][:count])
        of_context = _shapes(row["context"], windows.context_offsets(window))
        shapes.append(np.array([0, *of_question, 0, *of_context, 0], "int32"))
    padding = {"tokens": tokenizer.pad, "segments": 0, "question": 0, "labels": 0}
    return _examples(features, padding, tokenizer, shapes), windows


ENCODERS = {"sentiment": _encode_texts, "ner": _encode_sentences, "qa": _encode_questions}


def _examples(features, padding, tokenizer, shapes):
    """`Examples`, with the shapes of tokens that have lost theirs."""
    if tokenizer.has_shapes:
        features, padding = {**features, "shapes": shapes}, {**padding, "shapes": 0}
    return Examples(features, padding)


def _shapes(text, spans):
    return [lower_words.shape(text[start:end]) for start, end in spans]


def _framed(ids, tokenizer):
    return np.array([tokenizer.start, *ids, tokenizer.end], "int32")


def _words_of(path):
    """The first words of a file of vectors, which are the most frequent ones."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = itertools.islice(file, MOST_VECTORS)
            return [line.split(" ", 1)[0] for line in lines if line.count(" ") > 1]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UserError(f"{path} is not in UTF-8") from None
