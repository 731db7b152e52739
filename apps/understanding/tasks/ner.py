"""Named entity recognition: a tag in BIO for each word of a sentence."""

import sys
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from apps.understanding.tasks import inputs, shared
from apps.understanding.tasks.entity_tagger import EntityTagger
from apps.understanding.tasks.task import Reading, Task
from pipelines.commands.terminal import printable
from pipelines.data import sources
from pipelines.data.annotations import tagged_records
from pipelines.data.fields import Field
from pipelines.data.formats import conll
from pipelines.data.splits import by_text
from pipelines.maps.alignments import Alignment, Labels
from pipelines.maps.attention_maps import AttentionMap
from pipelines.metrics import span_scores
from pipelines.metrics.dictionary_tagger import DictionaryTagger
from pipelines.text import lower_words

LONGEST = 300  # words of a sentence that are shown: each may attend to each
AT_ONCE = 256  # pieces of sentences whose tags are chosen together
COLUMNS = (".conll", ".conllu", ".bio", ".iob", ".iob2", ".tsv", ".txt", ".csv")
SHOWN = Labels(
    title="What each word attended to",
    source="sentence",
    target="tagged sentence",
    reference="Entities",
    coverage=False,
)


class Entity(NamedTuple):
    """A named entity; `start` and `end` count words, `end` is behind the last."""

    text: str
    type: str
    start: int
    end: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Tagged(Reading):
    """The tags of a sentence.

    Attributes:
        tags: One in BIO for each of the `tokens`.
        score: `None`: the tags have none.
    """

    tags: list[str]
    score: None = None

    @property
    def text(self):
        """The sentence that was read."""
        return self.row.get("text", " ".join(self.tokens))

    @property
    def tokens(self):
        """The words of the sentence."""
        return self.row["tokens"]

    @property
    def entities(self):
        """The entities that the tags stand for, in their order."""
        return [
            Entity(" ".join(self.tokens[start:end]), name, start, end)
            for name, start, end in span_scores.spans(self.tags)
        ]

    @property
    def prediction(self):
        return self.tags

    @property
    def found(self):
        return {"tags": self.tags}

    @property
    def line(self):
        pairs = zip(self.tokens, self.tags, strict=True)
        shown = (word if tag == "O" else f"{word}/{tag}" for word, tag in pairs)
        return printable(" ".join(shown))


class EntityRecognition(Task):
    """Each word, in the state of its first token, attends to the sentence and is given a tag."""

    NAME = "ner"
    FIELDS: ClassVar = {
        "tokens": Field(("tokens", "words", "text", "sentence"), kind=list),
        "tags": Field(
            ("tags", "ner_tags", "ner", "labels", "entities", "spans", "label"), kind=list
        ),
    }
    IDENTITY = staticmethod(by_text("tokens"))
    FEATURES: ClassVar = {"tokens": ("tokens",), "tags": ("ner", "tags")}
    INPUTS = ("tokens",)
    READING = Tagged
    NETWORK = EntityTagger
    MONITOR = "span_f1"
    has_baseline = True

    def read(self, wanted):
        readers = dict.fromkeys(COLUMNS, conll.read)
        data_set = self.data_set(readers=readers, of_records=self._of_records)
        return sources.read(data_set, self.config, wanted)

    def _of_records(self, records, path, tally):
        return tagged_records.read(records, path, tally, lower_words.find)

    def row(self, given):
        return inputs.sentence_row(given.strip()) if isinstance(given, str) else given

    def texts(self, row):
        return [" ".join(row["tokens"])]

    def names(self, rows):
        return (tag[2:] for row in rows for tag in row["tags"] if tag.startswith("B-"))

    def classes(self, rows):
        names = sorted(set(self.names(rows)))
        return ["O", *(f"{prefix}-{name}" for name in names for prefix in "BI")]

    def known(self, classes):
        return {name[2:] for name in classes}

    def encode(self, rows, tokenizer, classes):
        """`Examples`, and for each `(row, first word, past the last word)`.

        Sentences too long for a model come in pieces of whole words.
        """
        index = {name: number for number, name in enumerate(classes)}
        features, shapes, pieces = {"tokens": [], "words": [], "labels": []}, [], []
        room = self.config.max_length - 2
        for number, row in enumerate(rows):
            ids, firsts = tokenizer.encode_words(row["tokens"])
            ends = [*firsts[1:], len(ids)]
            of_words = list(map(lower_words.shape, row["tokens"]))
            of_tokens = np.repeat(of_words, np.diff([*firsts, len(ids)]))
            tags_of_row = row.get("tags", ["O"] * len(firsts))
            for begin, stop in _pieces(firsts, ends, room):
                tokens = slice(firsts[begin], min(ends[stop - 1], firsts[begin] + room))
                features["tokens"].append(shared.framed(ids[tokens], tokenizer))
                shapes.append([0, *of_tokens[tokens], 0])
                places = [1 + first - firsts[begin] for first in firsts[begin:stop]]
                features["words"].append(np.array(places, "int32"))
                labels = [index.get(tag, 0) for tag in tags_of_row[begin:stop]]
                features["labels"].append(np.array(labels, "int32"))
                pieces.append((number, begin, stop))
        padding = {"tokens": tokenizer.pad, "words": -1, "labels": -1}
        return shared.examples(features, padding, tokenizer, shapes), pieces

    def network(self, encoder, classes, **shared):
        return EntityTagger(encoder, list(classes), crf=self.config.crf, **shared)

    def readings(self, rows, encoded, outputs, reader):
        from keras import ops

        _, pieces = encoded
        found = [["O"] * len(row["tokens"]) for row in rows]
        for start in range(0, len(pieces), AT_ONCE):
            some = pieces[start : start + AT_ONCE]
            lengths = np.array([stop - begin for _, begin, stop in some])
            batch = np.zeros((len(some), lengths.max(), len(reader.classes)), "float32")
            for each, scores, length in zip(batch, outputs[start:], lengths, strict=False):
                each[:length] = scores[:length]
            mask = np.arange(lengths.max()) < lengths[:, None]
            paths = ops.convert_to_numpy(reader.model.decode(batch, mask))
            for (row, begin, stop), path in zip(some, paths, strict=True):
                found[row][begin:stop] = [reader.classes[i] for i in path[: stop - begin]]
        return [{"tags": each} for each in found]

    def visible(self, row):
        return {"tokens": row["tokens"][:LONGEST]}

    def look(self, rows, encoded, weights):
        """Of each sentence how each word attended to each word, `(W, W)`."""
        examples, pieces = encoded
        found = [np.zeros((len(row["tokens"]),) * 2, "float32") for row in rows]
        for piece, (row, begin, stop) in enumerate(pieces):
            firsts = examples.features["words"][piece]
            last = examples.lengths[piece] - 1
            for word, (first, end) in enumerate(zip(firsts, [*firsts[1:], last], strict=True)):
                part = weights[piece][: stop - begin, first:end]
                found[row][begin:stop, begin + word] = part.sum(axis=1)
        return found

    def map(self, reading, weights, tokenizer):
        """Each word with its tag, over the words that it attended to."""
        tokens = reading.tokens[:LONGEST]
        pairs = list(zip(tokens, reading.tags, strict=False))
        wanted = zip(tokens, reading.row.get("tags", []), strict=False)
        return Alignment(
            map=AttentionMap([_named(*pair) for pair in pairs], weights, ("word", "source")),
            source_words=tuple(tokens),
            reference="  ".join(_named(word, tag) for word, tag in wanted if tag != "O"),
            text=" ".join(tokens),
            labels=SHOWN,
        )

    def score(self, predictions, rows):
        return span_scores.score(_tags(rows), predictions)

    def baseline(self, training, rows):
        """How far one gets by looking entities up among those of training."""
        dictionary = DictionaryTagger(training)
        found = [dictionary.tag(row["tokens"]) for row in rows]
        scores = span_scores.score(_tags(rows), found)
        return {"dictionary_span_f1": scores["span_f1"]}

    def class_scores(self, predictions, rows):
        return span_scores.type_scores(_tags(rows), predictions)


def _pieces(firsts, ends, room):
    """`(first word, past the last word)` of pieces that fit, each of one word at least."""
    begin = 0
    while begin < len(firsts):
        stop = begin + 1
        while stop < len(firsts) and ends[stop] - firsts[begin] <= room:
            stop += 1
        yield begin, stop
        begin = stop


def _named(word, tag):
    return word if tag == "O" else f"{word} [{tag}]"


def _tags(rows):
    """The tags of rows, of which memory holds each once."""
    return [list(map(sys.intern, row["tags"])) for row in rows]
