"""WordPiece as KerasHub's tokenizers of the BERT family have it, with the place of each piece."""

import unicodedata
from functools import lru_cache

import regex
from tokenizers import models

MAX_BYTES = 100  # A longer word is unknown.
CACHED_WORDS = 2**16

# Where words are split; of what is matched, white space and control characters are dropped.
_SIGN = r"[!-/:-@\[-`{-~\p{P}]"
_CJK = (
    r"[\u4E00-\u9FFF\u3400-\u4DBF\U00020000-\U0002A6DF\U0002A700-\U0002B73F"
    r"\U0002B740-\U0002B81F\U0002B820-\U0002CEAF\uF900-\uFAFF\U0002F800-\U0002FA1F]"
)
_DROPPED = r"[ \t\n\r\f\p{Cc}\p{Cf}]"
_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")


class WordPieces:
    """Text to the longest pieces of each word that a vocabulary has (Song et al., 2021).

    Ids equal those of `keras_hub.tokenizers.WordPieceTokenizer`, which does not say where in the
    text its pieces stand.

    The parts of `tokenizers` come near and are slower: they lower the case where KerasHub folds it
    (NFKC_Casefold), limit words by characters and not bytes, and of a letter with its accents they
    tell the place of the first character alone.

    Args:
        vocabulary: The pieces in the order of their ids.
        lowercase: Whether the case of letters, and what NFKC calls equal, make no difference.
        strip_accents: Whether accents make none.
        split_on_cjk: Whether each ideograph is a word.
        suffix_indicator: What pieces within a word begin with.
        unknown: The piece for a word that has no others.

    References:
        - [Song et al., 2021](https://arxiv.org/abs/2012.15524)
    """

    def __init__(
        self,
        vocabulary,
        lowercase=False,
        strip_accents=False,
        split_on_cjk=True,
        suffix_indicator="##",
        unknown="[UNK]",
    ):
        self.config = {
            "vocabulary": list(vocabulary),
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "split_on_cjk": split_on_cjk,
            "suffix_indicator": suffix_indicator,
            "unknown": unknown,
        }
        ids = {piece: number for number, piece in enumerate(self.config["vocabulary"])}
        self.unknown = ids[unknown]
        self._lowercase = lowercase
        self._strip_accents = strip_accents
        self._suffix_indicator = suffix_indicator
        self._model = models.WordPiece(
            ids, unk_token=unknown, continuing_subword_prefix=suffix_indicator
        )
        apart = f"{_SIGN}|{_CJK}" if split_on_cjk else _SIGN
        inside = f"(?:(?!{_DROPPED}|{apart}).)+"
        self._words = regex.compile(f"{apart}|{inside}", regex.DOTALL)
        # Most words of a text are among those that were just met.
        self._pieces = lru_cache(CACHED_WORDS)(self._word_pieces)

    def encode(self, text):
        """Ids of a text, and for each the `(start, end)` of its characters."""
        starts, ends = None, None  # As long as the text is what was given.
        if self._strip_accents and not text.isascii():
            text, starts, ends = _without_accents(text)
        ids, offsets = [], []
        for match in self._words.finditer(text):
            at = match.start()
            for piece, start, end in self._pieces(match[0]):
                ids.append(piece)
                start, end = at + start, at + end
                offsets.append((starts[start], ends[end - 1]) if starts else (start, end))
        return ids, offsets

    def _word_pieces(self, word):
        """Tuples of a piece's id and where in the word it starts and ends."""
        starts, ends = range(len(word)), range(1, len(word) + 1)
        form = word
        if self._lowercase:
            form = _casefold(word)
            if not word.isascii():
                starts, ends = _alignment(word, form)
        if not form:
            return ()
        if len(form.encode()) > MAX_BYTES:
            return ((self.unknown, 0, len(word)),)
        pieces, at = [], 0
        for token in self._model.tokenize(form):
            if token.id == self.unknown:
                return ((self.unknown, 0, len(word)),)
            start, at = at, at + len(token.value)
            if start:
                at -= len(self._suffix_indicator)
            pieces.append((token.id, starts[start], ends[at - 1]))
        return tuple(pieces)


def _casefold(text):
    """NFKC_Casefold of Unicode, which also drops what cannot be seen."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _IGNORABLE.sub("", unicodedata.normalize("NFKC", folded))


def _alignment(word, form):
    """For each character of a word's folded form, start and end of what it comes from.

    Characters that fold together, such as a letter and its accents, are not told apart.
    """
    starts, ends, last = [], [], 0
    for i in range(1, len(word) + 1):
        before = _casefold(word[:i])
        if i == len(word) or before + _casefold(word[i:]) == form:
            added = len(before) - len(starts)
            starts += [last] * added
            ends += [i] * added
            last = i
    return starts, ends


def _without_accents(text):
    """A text decomposed, without its accents, and start and end of each character in `text`."""
    parts, starts, ends = [], [], []
    at = 0
    # What stands before a letter stays before it when accents are put in order.
    for match in regex.finditer(r".\p{M}*", text, regex.DOTALL):
        at = match.start()
        part = "".join(
            c for c in unicodedata.normalize("NFD", match[0]) if unicodedata.category(c) != "Mn"
        )
        parts.append(part)
        starts += [at] * len(part)
        ends += [match.end()] * len(part)
    return "".join(parts), starts, ends
