"""Subword tokenizer: byte-level BPE, so that no character is ever lost."""

from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from pipelines.commands.errors import UserError

PAD, START, END = 0, 1, 2
SPECIAL = ("[PAD]", "[START]", "[END]")
FILE = "tokenizer.json"


class Tokenizer:
    """Text to token ids and back.

    Byte-level BPE (Sennrich et al., 2016; bytes as in GPT-2): the alphabet is the 256 bytes, so a
    character that was never seen in training still has tokens. Digits are not merged. Ids 0, 1 and
    2 are padding, start and end.
    """

    SPACE = "Ġ"  # What a token begins with that begins a word.
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
                pre_tokenizers.ByteLevel(add_prefix_space=False),
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
        self._model.save(str(Path(folder) / FILE))

    @classmethod
    def load(cls, folder):
        path = Path(folder) / FILE
        try:
            return cls(tokenizers.Tokenizer.from_str(path.read_text("utf-8")))
        except Exception as error:  # The library raises no class of its own.
            raise UserError(f"{path}: no tokenizer can be read here ({error})") from error


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
