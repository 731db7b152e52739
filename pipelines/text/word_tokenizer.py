"""Word tokenizer: words outside of its vocabulary can be copied from the source."""

import json
import re
from collections import Counter
from pathlib import Path

import regex

from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_text
from pipelines.commands.errors import UserError
from pipelines.commands.text_input import nfc
from pipelines.text import scripts
from pipelines.text.tokenizer import END, PAD, SPECIAL, START, cut

UNKNOWN = 3
SPECIAL_WORDS = (*SPECIAL, "[UNKNOWN]")
FILE = "words.json"

_JOINED = "\uffed"  # Stands before what follows the token before without a space.
# By `scripts.VERSION`: the first took combining marks for signs.
_WORDS = {
    1: re.compile(r"\w+|[^\w\s]"),
    2: regex.compile(
        rf"(?![{scripts.JOINERS}])[[{scripts.WORD}]--{scripts.UNSPACED}]+|{scripts.CHARACTER}"
        rf"|{_JOINED}|(?![{scripts.SPACE}])\X",
        regex.V1,
    ),
}


class WordTokenizer:
    """Text to ids of words and back.

    Words and signs are the tokens, marked where no space stands before them, so that nothing but
    the width of spaces is lost. Where no spaces stand between words (Chinese, Thai), a character
    with its marks is a word. A word that is not in the vocabulary of size V is `UNKNOWN`, or,
    of a source, `V + j` if it first occurs at position `j`: what a pointer-generator can copy (See
    et al., 2017). Ids 0, 1 and 2 are padding, start and end.

    The call contract is that of `tokenizer.Tokenizer`; where ids may be copies, the text of
    their source is asked for.

    Args:
        words: The vocabulary, special words first.
        copies: Whether there are ids from V on; a model that cannot copy has no use for them.
        fold_case: Whether "The" and "the" are one word, which is written as the vocabulary has it.
            The first word of a text begins with a capital, unless the vocabulary has none.
        version: Of how texts are split, see `split`.
    """

    unknown = UNKNOWN

    def __init__(self, words, copies=True, fold_case=False, version=scripts.VERSION):
        self._words = list(words)
        self.version = version
        self.copies = copies
        self.fold_case = fold_case
        self._ids = {self._form(word): number for number, word in enumerate(self._words)}
        own = self._words[len(SPECIAL_WORDS) :]
        self._capitalizes = fold_case and any(word != word.lower() for word in own)

    @classmethod
    def train(cls, texts, vocabulary_size, copies=True, fold_case=False):
        """Takes the most frequent words of `texts`, those of the training split alone.

        Of one whose case is folded the most frequent spelling stands for it.
        """
        counts = Counter(nfc(token) for text in texts for token in split(text))
        spellings, sums = sorted(counts, key=lambda token: (-counts[token], token)), counts
        if fold_case:
            sums, first = Counter(), {}
            for token in spellings:
                sums[first.setdefault(token.lower(), token)] += counts[token]
            spellings = sorted(sums, key=lambda token: (-sums[token], token))
        most = vocabulary_size - len(SPECIAL_WORDS)
        return cls([*SPECIAL_WORDS, *spellings[:most]], copies, fold_case)

    @property
    def vocabulary(self):
        """The words of ids 0 to V - 1."""
        return tuple(self._words)

    @property
    def vocabulary_size(self):
        return len(self._words)

    def encode(self, texts):
        """Lists of ids below V, each with start and end around it."""
        tokens = (self._split(text) for text in texts)
        return [[START, *(self._id(token, {}) for token in each), END] for each in tokens]

    def encode_sources(self, texts, length=None):
        """Lists of ids below V + S, each with its end; one longer than a `length` is cut."""
        return [cut(self._extend(self._split(text))[0], length) for text in texts]

    def encode_pairs(self, sources, targets, max_source, max_target):
        """Lists of ids of both sides; targets begin with the start, which does not count.

        A target that is cut has no end: it does not end there.
        """
        source_ids, target_ids = [], []
        for source, target in zip(sources, targets, strict=True):
            ids, places = self._extend(self._split(source)[: max_source - 1])
            source_ids.append(ids)
            ids = [START, *(self._id(token, places) for token in self._split(target)), END]
            target_ids.append(ids[: max_target + 1])
        return source_ids, target_ids

    def decode(self, ids, source=""):
        """The text of one sequence; start, padding and what follows the end are dropped."""
        return " ".join(self.words(ids, source)[0])

    def words(self, ids, source=""):
        """The words of one sequence, signs joined to them, with the positions of their tokens."""
        copied = self._split(source)
        words, positions = [], []
        for position, token in enumerate(ids):
            if token == END:
                break
            if token in (PAD, START):
                continue
            text = self._text(int(token), copied)
            if not words or not _is_joined(text):
                words.append("")
                positions.append([])
            words[-1] += plain(text)
            positions[-1].append(position)
        if self._capitalizes and words and words[0] == words[0].lower():
            words[0] = words[0][0].title() + words[0][1:]
        return words, positions

    def _split(self, text):
        return split(text, self.version)

    def _form(self, token):
        token = token if self.version == 1 else nfc(token)
        return token.lower() if self.fold_case else token

    def _id(self, token, places):
        form = self._form(token)
        return self._ids.get(form, places.get(form, UNKNOWN))

    def _extend(self, tokens):
        """Ids of a source with its end, and the ids of those of its words that V lacks."""
        places = {}
        for position, token in enumerate(tokens):
            if self.copies and self._form(token) not in self._ids:
                places.setdefault(self._form(token), self.vocabulary_size + position)
        return [*(self._id(token, places) for token in tokens), END], places

    def _text(self, token, copied):
        if token < self.vocabulary_size:
            return self._words[token]
        place = token - self.vocabulary_size
        return copied[place] if place < len(copied) else self._words[UNKNOWN]

    def save(self, folder):
        content = {"copies": self.copies, "fold_case": self.fold_case, "words": self._words}
        content["version"] = self.version
        write_text(Path(folder) / FILE, json.dumps(content, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder):
        path = Path(folder) / FILE
        content = read_json(path, "a vocabulary")
        if not _is_saved(content):
            raise UserError(f"{path}: this is no vocabulary of words")
        return cls(**{"version": 1, **content})


def _is_saved(content):
    fields = {"copies", "fold_case", "words"}
    if not isinstance(content, dict) or set(content) - {"version"} != fields:
        return False
    if content.get("version", 1) not in tuple(_WORDS):
        return False
    if not isinstance(content["copies"], bool) or not isinstance(content["fold_case"], bool):
        return False
    words = content["words"]
    texts = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return texts and tuple(words[: len(SPECIAL_WORDS)]) == SPECIAL_WORDS


def plain(word):
    """A word of the vocabulary without its mark."""
    return word[1:] if _is_joined(word) else word


def _is_joined(token):
    # Alone the mark is a sign that the text has.
    return len(token) > 1 and token.startswith(_JOINED)


def split(text, version=scripts.VERSION):
    """Words and signs of a text, those without a space before them marked.

    Args:
        text: Any.
        version: In 2, marks and joiners belong to the letters before them, and what is written
            without spaces is cut by character. 1 is that of old runs.
    """
    tokens, end = [], None
    for match in _WORDS[1 if text.isascii() else version].finditer(text):
        tokens.append(match[0] if match.start() != end else _JOINED + match[0])
        end = match.end()
    return tokens
