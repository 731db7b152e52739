"""One interface over the tokenizers of encoders: ids, and where in the text they stand."""

import re
from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer as Model
from tokenizers import models, pre_tokenizers

from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_json
from pipelines.commands.errors import UserError, first_line, reading
from pipelines.text import lower_words
from pipelines.text.tokenizer import END, PAD, START, Tokenizer
from pipelines.text.word_pieces import WordPieces
from pipelines.text.word_tokenizer import SPECIAL_WORDS, UNKNOWN, WordTokenizer

FILE = "subwords.json"
# Half of a character, as JSON can hold it; tokenizers take whole ones only.
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


class Subwords:
    """Text to ids, without special ones, and back to the characters of the text.

    Args:
        pad: Id of padding.
        start: Id of what stands before a text.
        end: Id of what stands behind one, and between two.

    Attributes:
        vocabulary_size: V.
        has_shapes: Whether case is lost on ids, so that `lower_words.shape` tells more.
    """

    has_shapes = False

    def __init__(self, pad=PAD, start=START, end=END):
        self.pad = pad
        self.start = start
        self.end = end

    def encode(self, text):
        """Encodes a text.

        Args:
            text: Any; "[PAD]" in it is text.

        Returns:
            The ids, and for each the `(start, end)` of its characters in `text`; neither starts nor
            ends ever go back. White space has `start == end`; what is a part of a character has the
            span of the whole.
        """
        return self._encode(_SURROGATE.sub(_REPLACEMENT, text))

    def encode_words(self, words):
        """Encodes words one by one.

        Args:
            words: Texts.

        Returns:
            The ids, and for each word the position of its first, of which it has at least one.
        """
        ids, first = [], []
        for word in words:
            first.append(len(ids))
            ids.extend(self._encode_word(_SURROGATE.sub(_REPLACEMENT, word)))
        return ids, first

    def save(self, folder):
        """Writes what `load` reads."""
        special = {"pad": self.pad, "start": self.start, "end": self.end}
        value = {"kind": type(self).__name__, **special, **self._write(Path(folder))}
        write_json(Path(folder) / FILE, value)


class BytePairs(Subwords):
    """Byte-level BPE, learned from texts, or of a preset such as RoBERTa's.

    Args:
        tokenizer: A `pipelines.text.tokenizer.Tokenizer`.
        word_prefix: What a word by itself takes before it to be encoded like one in a text, if the
            tokenizer does not put it there.
        **special: As for `Subwords`.
    """

    def __init__(self, tokenizer, word_prefix="", **special):
        super().__init__(**special)
        self._tokenizer = tokenizer
        self._word_prefix = word_prefix
        self.vocabulary_size = tokenizer.vocabulary_size

    @classmethod
    def train(cls, texts, vocabulary_size):
        """Learns from `texts`, those of the training split alone."""
        return cls(Tokenizer.train(texts, vocabulary_size))

    def _encode(self, text):
        return self._ids(text), self._tokenizer.offsets(text)

    def _encode_word(self, word):
        return self._ids(self._word_prefix + (word or _REPLACEMENT))

    def _ids(self, text):
        return self._tokenizer.encode([text])[0][1:-1]

    def _write(self, folder):
        self._tokenizer.save(folder)
        return {"word_prefix": self._word_prefix}

    @classmethod
    def _read(cls, folder, **options):
        return cls(Tokenizer.load(folder), **options)


class LowerCaseWords(Subwords):
    """Words and signs in lower case, for vectors of words; those that are not known are `UNKNOWN`.

    Args:
        words: The vocabulary, a `WordTokenizer` or the words themselves, special ones first.
        **special: As for `Subwords`.
    """

    has_shapes = True

    def __init__(self, words, **special):
        super().__init__(**special)
        self._words = words if isinstance(words, WordTokenizer) else WordTokenizer(words, False)
        self._ids = {word: number for number, word in enumerate(self.vocabulary)}
        self.vocabulary_size = len(self._ids)

    @classmethod
    def train(cls, texts, vocabulary_size, known=()):
        """Takes the most frequent words of `texts`, those of the training split alone.

        What is there once, and not among `known`, is left out: models have to learn from something
        what an unknown word is.

        Args:
            texts: Texts, or words.
            vocabulary_size: Most entries, special ones included, without those of `known`.
            known: Words to have as well: those with vectors, that other texts may have.
        """
        counts = Counter(word for text in texts for word in _forms(text, lower_words.find(text)))
        known_words = set(known)
        often = (word for word in counts if counts[word] > 1 or word in known_words)
        ranked = sorted(often, key=lambda word: (-counts[word], word))
        found = ranked[: vocabulary_size - len(SPECIAL_WORDS)]
        return cls(list(dict.fromkeys([*SPECIAL_WORDS, *found, *known])))

    @property
    def vocabulary(self):
        """The words in the order of their ids, as `word_vectors.assign` takes them."""
        return self._words.vocabulary

    def _encode(self, text):
        spans = lower_words.find(text, self._words.version)
        return [self._id(form) for form in _forms(text, spans)], spans

    def _encode_word(self, word):
        """One id for a word that is known as it is written, "u.s."; else those of its parts."""
        whole = self._id(lower_words.form(word))
        return [whole] if whole != UNKNOWN else self._encode(word)[0] or [UNKNOWN]

    def _id(self, form):
        number = self._ids.get(form, UNKNOWN)
        return number if number >= len(SPECIAL_WORDS) else UNKNOWN

    def _write(self, folder):
        self._words.save(folder)
        return {}

    @classmethod
    def _read(cls, folder, **options):
        return cls(WordTokenizer.load(folder), **options)


class PresetPieces(Subwords):
    """WordPiece of a preset of the BERT family.

    Args:
        pieces: A `WordPieces`.
        **special: As for `Subwords`.
    """

    def __init__(self, pieces, **special):
        super().__init__(**special)
        self._pieces = pieces
        self.vocabulary_size = len(pieces.config["vocabulary"])

    def _encode(self, text):
        return self._pieces.encode(text)

    def _encode_word(self, word):
        return self._pieces.encode(word)[0] or [self._pieces.unknown]

    def _write(self, folder):
        return {"pieces": self._pieces.config}

    @classmethod
    def _read(cls, folder, pieces, **options):
        return cls(WordPieces(**pieces), **options)


def open_preset(name):
    """Opens the tokenizer of a KerasHub preset.

    Args:
        name: A folder, or a name such as "bert_tiny_en_uncased", which is downloaded once.

    Returns:
        Its `Subwords`, with the ids that KerasHub's own tokenizer has for a text.

    Raises:
        UserError: It cannot be opened, or is neither of the BERT family nor byte-level BPE.
    """
    import keras_hub

    folder = Path(name).expanduser()
    try:
        tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(
            str(folder) if folder.is_dir() else name
        )
    except Exception as error:  # KerasHub and the hubs raise what they like.
        reason = first_line(error)
        raise UserError(f"cannot open the tokenizer of the preset {name}: {reason}") from error
    special = {
        "pad": tokenizer.pad_token_id,
        "start": tokenizer.start_token_id,
        "end": tokenizer.end_token_id,
    }
    if isinstance(tokenizer, keras_hub.tokenizers.WordPieceTokenizer):
        options = ("lowercase", "strip_accents", "split_on_cjk", "suffix_indicator")
        pieces = WordPieces(
            tokenizer.get_vocabulary(),
            unknown=tokenizer.oov_token,
            **{option: getattr(tokenizer, option) for option in options},
        )
        return PresetPieces(pieces, **special)
    if isinstance(tokenizer, keras_hub.tokenizers.BytePairTokenizer):
        return BytePairs(_byte_level(tokenizer), word_prefix=" ", **special)
    raise UserError(
        f"the preset {name} has a {type(tokenizer).__name__}, which does not say where in a text "
        f"its tokens stand: take one of the BERT family, or RoBERTa"
    )


def load(folder):
    """Loads what `save` wrote.

    Raises:
        UserError: There is no such file, or it holds something else.
    """
    path = Path(folder) / FILE
    kinds = {kind.__name__: kind for kind in (BytePairs, LowerCaseWords, PresetPieces)}
    options = read_json(path, "a tokenizer")
    with reading(path, "a tokenizer"):
        loaded = kinds[options.pop("kind")]._read(folder, **options)
        special = (loaded.pad, loaded.start, loaded.end)
        if not all(type(each) is int and 0 <= each < loaded.vocabulary_size for each in special):
            raise ValueError(f"one of its special tokens {special} is no token")
        return loaded


def _forms(text, spans):
    return [lower_words.form(text[start:end]) for start, end in spans]


def _byte_level(tokenizer):
    """The byte-level BPE of a preset, which splits a text as GPT-2 and KerasHub in tf.data do.

    Called on texts, KerasHub's splits as Llama 3 does: numbers of four digits differ.
    """
    merges = [tuple(merge.split(" ")) for merge in tokenizer.merges if "#version" not in merge]
    model = Model(models.BPE(dict(tokenizer.vocabulary), merges))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=tokenizer.add_prefix_space)
    return Tokenizer(model)
