"""From a data set's name, or plain text files, to batches of pairs."""

import functools
from dataclasses import replace

from pipelines.builtin import dates
from pipelines.data import sources, splits
from pipelines.data.formats import parallel_text, tmx
from pipelines.data.layouts import headerless, parallel_files
from pipelines.data.prepared.rows import PreparedRows
from pipelines.data.rows import chunks
from pipelines.text import token_batches
from pipelines.text.tokenizer import Tokenizer

SIDES = ("source", "target")


def read(config, wanted=sources.SPLITS):
    """The lines of the splits that are wanted.

    Plain text files take the place of a split of the data set. A split that is missing is cut from
    the training pairs, see `splits.cut_missing`.
    """
    given = {
        split: functools.partial(parallel_text.read, *pair)
        for split, pair in config.files.items()
        if pair[0] is not None
    }
    name = config.source_file or config.dataset
    rows = sources.read(data_set(config), config, wanted, given=given, name=name)
    if "train" in rows:
        rows["train"] = rows["train"][: config.max_train]
    return rows


def data_set(config):
    """What is read, in the languages that the configuration names."""
    asked = (config.source_language, config.target_language)
    if config.source_language is None:
        # Of a TensorFlow data set, the languages that it has itself for input and target.
        asked, fields, features = None, parallel_files.FIELDS, {}
    else:
        fields = parallel_files.fields(*asked)
        features = {side: (language,) for side, language in zip(SIDES, asked, strict=True)}
    return sources.DataSet(
        fields=fields,
        builtin={"dates": dates.write},
        version=dates.VERSION,
        identity=splits.by_text("source"),
        layouts=(parallel_files.moses,),
        readers={".tmx": functools.partial(tmx.read, languages=asked)},
        headerless=headerless.pairs,
        convert=None if asked else parallel_files.row_of,
        tfds_features=features,
        options={"languages": asked},
    )


def train_tokenizer(rows, config):
    """One vocabulary for both languages, from the training pairs."""
    if isinstance(rows, PreparedRows):
        return Tokenizer.load(rows.folder)
    texts = (row[side] for side in SIDES for row in rows)
    return Tokenizer.train(texts, config.vocabulary_size)


def make_buckets(rows, tokenizer, config):
    """The training pairs as ids on disk, in buckets of about one length."""
    if isinstance(rows, PreparedRows) and rows.split == "train":
        pairs = rows.ragged("source"), rows.ragged("target")
    else:
        pairs = token_batches.keep(encode_pairs(rows, tokenizer, config))
    return token_batches.make_buckets(*pairs, config.tokens_per_batch, config.MOST_TOKENS)


def encode_pairs(rows, tokenizer, config):
    """Yields the ids of both sides, some rows at a time."""

    def encode(some):
        sides = ([row[side] for row in some] for side in SIDES)
        return tokenizer.encode_pairs(*sides, config.max_source, config.max_target)

    return map(encode, chunks(rows, token_batches.AT_ONCE))


def training_batches(rows, tokenizer, config):
    """The `Batches` of the training pairs."""
    buckets = make_buckets(rows, tokenizer, config)
    return token_batches.training_batches(buckets, config.seed)


def validation_batches(rows, tokenizer, config):
    """The `Batches` of validation pairs, as large as any of training."""
    size = config.tokens_per_batch or config.MOST_TOKENS
    return training_batches(rows, tokenizer, replace(config, tokens_per_batch=size))


def knows_months(rows):
    """Whether all rows tell where in the source the month stands, as the built-in dates do."""
    spans = (row.get("month") for row in rows)
    return all(isinstance(span, list) and list(map(type, span)) == [int, int] for span in spans)


def choose_monitor(rows, config):
    """The metric that chooses the model."""
    return config.monitor or ("exact_match" if knows_months(rows) else "bleu")
