"""WordPieces beside KerasHub's own tokenizer, over any Unicode text."""

import itertools
import random
import unicodedata

import keras_hub
import pytest

from pipelines.text.word_pieces import WordPieces

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyzABCÉéßıσçñ0123456789́̇カ中国กาمرحبا가ᄀ"
WORDS = ["the", "cat", "##s", "##ing", "play", "##ed", "don", "un", "##able", "Cat", "caf", "cafe"]
SIGNS = list(".,'-!?[]()") + ["。", "«", "»", "🚀"]
VOCABULARY = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS, *SIGNS]
VOCABULARY = list(dict.fromkeys(VOCABULARY))

TEXTS = [
    "The cats don't play, playing unplayable [PAD] [CLS]!",
    "Café cafe\u0301 CAFÉ ñandú",
    "İstanbul ıİ ß STRASSE ﬁn Σίσυφος",
    "国の中カ㌕ｶﾞ 中a国",
    "مرحبا بِكَ «كتاب» ",
    "กา จ ำ",
    "👩‍🚀🚀 👍🏽a🚀b",
    "가각 \u1100\u1161\u11a8 \u1100\u0301",
    "a\u00a0b \u200bc\u00add \ufeffx e\u0336\u0323\u0307f",
    "tab\tnew\nline\r\x00\x1f\x7fend",
    "a" * 99 + " " + "b" * 101 + " " + "中" * 5,
    "é" * 51,
    "",
    " \t",
]


def spread(rng, length):
    """A random text: letters that matter, and any other character."""
    strange = "aéE\u0301ßİıﬁ\u200d\u00a0 \t\n\x00.,'-[]中あ가ᄀ\u1161\u11a8ﾊﾟ"
    strange += "Ǆ\u0323\u0307\u302e🚀\u00ad\u3164"
    if rng.random() < 0.5:
        return "".join(rng.choices(strange, k=length))
    codes = [rng.randrange(0x110000 if rng.random() < 0.3 else 0x3100) for _ in range(length)]
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


@pytest.fixture(scope="module")
def random_texts():
    rng = random.Random(0)
    return [spread(rng, rng.randrange(25)) for _ in range(1000)]


@pytest.mark.parametrize("split_on_cjk", [True, False])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
def test_ids_equal_those_of_keras_hub(lowercase, strip_accents, split_on_cjk, random_texts):
    options = {
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        "split_on_cjk": split_on_cjk,
    }
    theirs = keras_hub.tokenizers.WordPieceTokenizer(VOCABULARY, **options)
    ours = WordPieces(VOCABULARY, **options)
    texts = TEXTS + random_texts
    for text, expected in zip(texts, theirs(texts), strict=True):
        ids, offsets = ours.encode(text)
        assert ids == list(expected), ascii(text)
        assert all(0 <= start < end <= len(text) for start, end in offsets)
        for (start, end), (next_start, next_end) in itertools.pairwise(offsets):
            assert start <= next_start and end <= next_end


class TestOffsets:
    def spans(self, text, **options):
        options = {"lowercase": True, **options}
        ids, offsets = WordPieces(VOCABULARY, **options).encode(text)
        return [
            (VOCABULARY[number], text[start:end])
            for number, (start, end) in zip(ids, offsets, strict=True)
        ]

    def test_pieces_of_words(self):
        assert self.spans("  The Cats don't.") == [
            *(("the", "The"), ("cat", "Cat"), ("##s", "s"), ("don", "don")),
            *(("'", "'"), ("t", "t"), (".", ".")),
        ]

    def test_an_unknown_word_is_whole(self):
        assert self.spans("a zażółć b") == [("a", "a"), ("[UNK]", "zażółć"), ("b", "b")]

    def test_one_character_that_becomes_two(self):
        assert self.spans("aİb") == [("a", "a"), ("##i", "İ"), ("##̇", "İ"), ("##b", "b")]
        assert self.spans("aßb") == [("a", "a"), *[("##s", "ß")] * 2, ("##b", "b")]

    def test_characters_that_become_one(self):
        assert self.spans("cafe\u0301s") == [("caf", "caf"), ("##é", "e\u0301"), ("##s", "s")]
        assert self.spans("a\u1100\u1161b")[1] == ("##가", "\u1100\u1161")

    def test_what_is_dropped_belongs_to_no_piece(self):
        assert self.spans("a \u200d b\x00") == [("a", "a"), ("b", "b")]

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_accents_that_are_stripped(self, form):
        text = unicodedata.normalize(form, "Á café")
        spans = self.spans(text, strip_accents=True)
        assert spans == [
            ("a", unicodedata.normalize(form, "Á")),
            ("cafe", unicodedata.normalize(form, "café")),
        ]

    def test_special_pieces_in_a_text_are_text(self):
        assert [piece for piece, _ in self.spans("[PAD]")] == ["[", "p", "##a", "##d", "]"]


def test_a_long_text_takes_no_time_to_speak_of():
    # Were words looked up by their prefixes in the whole text, this would take minutes.
    text = "Cafe\u0301 cats, 中国 İ " * 5_000
    ids, offsets = WordPieces(VOCABULARY, lowercase=True, strip_accents=True).encode(text)
    assert len(ids) == len(offsets) == 5_000 * 7
    assert text[slice(*offsets[-1])] == "İ"
