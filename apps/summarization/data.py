"""From a data set's name to batches of documents and summaries."""

from dataclasses import replace

from pipelines.builtin import docstrings
from pipelines.data import sources, splits
from pipelines.data.fields import Field
from pipelines.data.layouts import parallel_files
from pipelines.data.prepared.rows import PreparedRows
from pipelines.data.rows import chunks
from pipelines.text import token_batches
from pipelines.text.tokenizer import Tokenizer
from pipelines.text.word_tokenizer import WordTokenizer

DOCUMENT = (
    *("document", "article", "dialogue", "email_body", "documents", "text", "body", "content"),
    *("source", "report", "maintext", "input", "email", "story"),
)
SUMMARY = (
    *("summary", "highlights", "abstract", "subject_line", "tldr", "headline", "headlines"),
    *("summaries", "title", "target", "output"),
)
DATA = sources.DataSet(
    fields={"document": Field(DOCUMENT), "summary": Field(SUMMARY, kind=(str, list))},
    builtin={"docstrings": docstrings.write},
    version=docstrings.VERSION,
    identity=splits.by_text("document"),
    layouts=(parallel_files.moses,),
)


def read(config, wanted=sources.SPLITS):
    """The lines of the splits that are wanted; see `sources.read`."""
    rows = sources.read(DATA, config, wanted)
    if "train" in rows:
        rows["train"] = rows["train"][: config.max_train]
    return rows


def references(row):
    """The summaries of a row, a list; a row that is only to be summarized has none."""
    summary = row.get("summary", [])
    return summary if isinstance(summary, list) else [summary]


def train_tokenizer(rows, config):
    """One vocabulary for documents and summaries, from the training split."""
    if isinstance(rows, PreparedRows):
        return load_tokenizer(rows.folder, config)
    texts = (text for row in rows for text in (row["document"], *references(row)))
    if config.tokenizer == "subwords":
        return Tokenizer.train(texts, config.vocabulary_size)
    return WordTokenizer.train(texts, config.vocabulary_size, config.copy, config.fold_case)


def load_tokenizer(folder, config):
    """The tokenizer of a run."""
    if config.tokenizer == "subwords":
        return Tokenizer.load(folder)
    return WordTokenizer.load(folder)


def make_buckets(rows, tokenizer, config):
    """The training pairs as ids on disk, in buckets of a length; each summary is one of a pair."""
    if isinstance(rows, PreparedRows) and rows.split == "train":
        pairs = rows.ragged("source"), rows.ragged("target")
    else:
        pairs = token_batches.keep(encode_pairs(rows, tokenizer, config))
    return token_batches.make_buckets(*pairs, config.tokens_per_batch, config.MOST_TOKENS)


def encode_pairs(rows, tokenizer, config):
    """Yields the ids of documents and of summaries, some rows at a time."""

    def encode(some):
        documents = [row["document"] for row in some for _ in references(row)]
        summaries = [summary for row in some for summary in references(row)]
        return tokenizer.encode_pairs(documents, summaries, config.max_source, config.max_target)

    return map(encode, chunks(rows, token_batches.AT_ONCE))


def training_batches(buckets, tokenizer, config):
    """The `Batches` of the training pairs, always in the same order."""
    return token_batches.training_batches(
        buckets, config.seed, copying=config.copy, unlearnt=tokenizer.unknown
    )


def validation_batches(rows, tokenizer, config):
    """The `Batches` of validation pairs, as large as any of training."""
    size = config.tokens_per_batch or config.MOST_TOKENS
    buckets = make_buckets(rows, tokenizer, replace(config, tokens_per_batch=size))
    return training_batches(buckets, tokenizer, config)
