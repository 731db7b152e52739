"""From a data set's name, or plain text files, to batches of pairs."""

import functools

from pipelines.builtin import dates
from pipelines.data import parallel_text, sources, splits
from pipelines.text import token_batches
from pipelines.text.tokenizer import Tokenizer

FIELDS = {"source": str, "target": str}


def read(config, wanted=sources.SPLITS):
    """The lines of the splits that are wanted.

    Plain text files take the place of a split of the data set. A split that is missing is cut from
    the training pairs, see `splits.cut_missing`.
    """
    readers = {
        split: functools.partial(parallel_text.read, *pair)
        for split, pair in config.files.items()
        if pair[0] is not None
    }
    if "train" in readers:
        rows = splits.read_wanted(readers, wanted, config.source_file)
    else:
        rows = {split: readers[split]() for split in wanted if split in readers}
        if others := [split for split in wanted if split not in readers]:
            rows |= sources.read_splits(locate(config), FIELDS, others)
    if "train" in rows:
        rows["train"] = rows["train"][: config.max_train]
    return rows


def locate(config):
    """The folder of the data set."""
    languages = None
    if config.source_language is not None:
        languages = {"source": (config.source_language,), "target": (config.target_language,)}
    return sources.locate(
        config.dataset,
        {"dates": dates.write},
        version=dates.VERSION,
        fields=FIELDS,
        tfds_features=languages,
        data_dir=config.data_dir,
    )


def train_tokenizer(rows, config):
    """One vocabulary for both languages, from the training pairs."""
    texts = (row[side] for side in FIELDS for row in rows)
    return Tokenizer.train(texts, config.vocabulary_size)


def make_buckets(rows, tokenizer, config):
    """The training pairs as ids, in buckets of about one length."""
    pairs = tokenizer.encode_pairs(
        [row["source"] for row in rows],
        [row["target"] for row in rows],
        config.max_source,
        config.max_target,
    )
    return token_batches.make_buckets(*pairs, config.tokens_per_batch)


def training_batches(rows, tokenizer, config):
    """The `Batches` of the training pairs."""
    buckets = make_buckets(rows, tokenizer, config)
    return token_batches.training_batches(buckets, config.seed)


def name(config, split):
    """What a report calls the data of a split."""
    return config.files[split][0] or config.source_file or config.dataset


def knows_months(rows):
    """Whether all rows tell where in the source the month stands, as the built-in dates do."""
    spans = [row.get("month") for row in rows]
    return all(isinstance(span, list) and list(map(type, span)) == [int, int] for span in spans)


def choose_monitor(rows, config):
    """The metric that chooses the model."""
    return config.monitor or ("exact_match" if knows_months(rows) else "bleu")
