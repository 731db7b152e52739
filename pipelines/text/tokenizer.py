"""Subword tokenizer: byte-level BPE, so that no character is ever lost."""

import json
import os
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from pipelines.commands.devices import errors_into
from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_text
from pipelines.commands.errors import reading

PAD, START, END = 0, 1, 2
SPECIAL = ("[PAD]", "[START]", "[END]")
FILE = "tokenizer.json"
# What a file may hold.
MODELS = ("BPE", "WordLevel")
PARTS = ("Prepend", "Digits", "ByteLevel", "WhitespaceSplit", "Metaspace")
LARGEST_VOCABULARY = 10**7

# GPT-2's, but that the marks and joiners of letters stay with them, as most of Asia's scripts need.
_CHUNKS = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}[\p{L}\p{M}\u200c\u200d]*| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)


class Tokenizer:
    """Text to token ids and back.

    Byte-level BPE (Sennrich et al., 2016; bytes as in GPT-2): the alphabet is the 256 bytes, so a
    character that was never seen in training still has tokens. Digits are not merged. Ids 0, 1 and
    2 are padding, start and end.
    """

    SPACE = "Ġ"  # What a token begins with that begins a word.
    PATTERNS = (_CHUNKS,)  # By which a file may have texts cut; those of earlier versions stay.
    unknown = None  # The id of what has no token.

    def __init__(self, model):
        self._model = model
        model.encode_special_tokens = True  # "[END]" in a text is text, not the end.

    @classmethod
    def train(cls, texts, vocabulary_size):
        """Learns the merges from `texts`, which must be those of the training split alone."""
        model = tokenizers.Tokenizer(models.BPE())
        model.normalizer = normalizers.Prepend(" ")
        # Digits stay apart: numbers are read, copied and reordered digit by digit.
        model.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.Split(Regex(_CHUNKS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        model.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            min_frequency=2,
            special_tokens=list(SPECIAL),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        model.train_from_iterator(texts, trainer)
        return cls(model)

    @property
    def vocabulary_size(self):
        return self._model.get_vocab_size()

    def encode(self, texts):
        """Lists of ids, each with start and end around it."""
        encodings = self._model.encode_batch(list(texts), add_special_tokens=False)
        return [[START, *encoding.ids, END] for encoding in encodings]

    def offsets(self, text):
        """Where in `text` each token stands, in the order of `encode`, without start and end.

        A list of `(start, end)` in characters, white space before a word left out; a token of
        nothing but white space has `start == end`. The tokens that share a character, one or more
        of its bytes each, all have its span.
        """
        encoding = self._model.encode(text, add_special_tokens=False)
        spans = []
        for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
            start = end - len(text[start:end].lstrip())
            # The space that encoding puts before the text counts as its first character.
            spans.append((start, end if token.strip(self.SPACE) else start))
        return spans

    def encode_sources(self, texts, length=None):
        """Lists of ids, each with its end; one that is longer than a `length` is cut."""
        return [cut(ids[1:], length) for ids in self.encode(texts)]

    def encode_pairs(self, sources, targets, max_source, max_target):
        """Lists of ids of both sides; targets begin with the start, which does not count.

        A target that is cut has no end: it does not end there.
        """
        targets = [ids[: max_target + 1] for ids in self.encode(targets)]
        return self.encode_sources(sources, max_source), targets

    def decode(self, ids, source=None):
        """The text of one sequence; start, padding and what follows the end are dropped."""
        return self._model.decode([token for _, token in self._content(ids)]).strip()

    def words(self, ids, source=None):
        """The words of one sequence, each with the positions of its tokens in `ids`."""
        words, positions = [], []
        for position, token in self._content(ids):
            if not words or self._model.id_to_token(token).startswith(self.SPACE):
                words.append([])
                positions.append([])
            words[-1].append(token)
            positions[-1].append(position)
        texts = [self._model.decode(word).strip() for word in words]
        visible = [i for i, text in enumerate(texts) if text]
        return [texts[i] for i in visible], [positions[i] for i in visible]

    def _content(self, ids):
        """Position and token of what stands before the end, start and padding left out."""
        for position, token in enumerate(ids):
            if token == END:
                return
            if token not in (PAD, START):
                yield position, int(token)

    def save(self, folder):
        write_text(Path(folder) / FILE, self._model.to_str(pretty=True))

    @classmethod
    def load(cls, folder):
        path = Path(folder) / FILE
        content = read_json(path, "a tokenizer")
        # A panic prints its own account.
        with reading(path, "a tokenizer"), open(os.devnull, "wb") as nowhere, errors_into(nowhere):
            _check(content, cls.PATTERNS)
            return cls(tokenizers.Tokenizer.from_str(json.dumps(content)))


def _check(content, patterns):
    """Makes sure that a saved tokenizer is made of the parts that ours are made of.

    The library takes more: patterns that take for ever, lengths to fill up to, and parts that end
    in a panic.

    Args:
        content: The JSON value of the file.
        patterns: Those that texts may be cut by.

    Raises:
        ValueError: It is not, or its vocabulary is not one.
    """
    if not isinstance(content, dict):
        raise ValueError("it holds no object")
    for name in ("normalizer", "pre_tokenizer", "decoder", "post_processor"):
        for part in _parts(content.get(name)):
            kind = part.get("type") if isinstance(part, dict) else None
            is_known = kind == "Split" and part.get("pattern") in [{"Regex": p} for p in patterns]
            if kind not in PARTS and not is_known:
                raise ValueError(f"its {name} is {kind!r}")
    if content.get("truncation") is not None or content.get("padding") is not None:
        raise ValueError("it cuts or fills up texts")
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict) or model.get("type") not in MODELS:
        raise ValueError(f"its model is none of {', '.join(MODELS)}")
    ids = list(vocabulary.values())
    if not all(type(number) is int for number in ids) or sorted(ids) != list(range(len(ids))):
        raise ValueError("the ids of its vocabulary are not the numbers from 0 on")
    if not END < len(ids) <= LARGEST_VOCABULARY:
        raise ValueError(f"its vocabulary has {len(ids):,} tokens")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name) is not None:
            raise ValueError(f"its model has a {name}")
    if model.get("unk_token") is not None and model["unk_token"] not in vocabulary:
        raise ValueError("its vocabulary lacks the unknown token")


def _parts(part):
    """What a part of a saved tokenizer is made of."""
    is_sequence = isinstance(part, dict) and part.get("type") == "Sequence"
    inner = part.get("pretokenizers") if is_sequence else None
    if isinstance(inner, list):
        return inner
    return [] if part is None else [part]


def cut(ids, length):
    """Ids of at most a `length`, if there is one, their end among them."""
    return ids if length is None or len(ids) <= length else [*ids[: length - 1], END]


def pad(sequences, length):
    """Ids as an int32 array `(len(sequences), length)`; longer ones are cut, but keep their end."""
    array = np.full((len(sequences), length), PAD, dtype="int32")
    for row, ids in zip(array, sequences, strict=True):
        ids = cut(ids, length)
        row[: len(ids)] = ids
    return array
