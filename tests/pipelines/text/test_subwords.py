"""What all tokenizers of encoders promise, over any Unicode text."""

import itertools
import json
import random
import unicodedata

import keras_hub
import pytest

from pipelines.commands.errors import UserError
from pipelines.text import subwords
from pipelines.text.subwords import BytePairs, LowerCaseWords
from pipelines.text.word_tokenizer import UNKNOWN

TRAINING = ["the dog sees the cat", "don't play with the cats", "a café, a dog"] * 3
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, "the", "dog", "cat", "##s", "sees", "a", "b", "##b", "i", "##̇", "é", "##é"]
BYTES = [*(chr(code) for code in range(33, 127)), *"ĠâĢĻÃ©"]
MERGES = ["t h", "th e", "Ġ the", "Ġ d", "o g", "Ġd og", "c a", "ca t", "Ġ cat", "d og", "2 0"]
TEXTS = [
    "The dog sees the cats, doesn't it?",
    "👩‍🚀 sees 👍🏽🐕",
    "cafe\u0301 e\u0336\u0323 Å\u0301",
    unicodedata.normalize("NFC", "Crème brûlée, Việt Nam"),
    unicodedata.normalize("NFD", "Crème brûlée, Việt Nam"),
    "مرحبا بِكَ، يا صديقي",
    "一只红色的狗。カﾞ가각",
    "İstanbul'da ıİ ß ﬁ",
    "[PAD] the [START] [END] [UNK]<s>",
    "a\x00b\x1f \x7f\u200b\u00a0\u2028tab\t\r\n  two  ",
    "half \ud83d of \ude00 a character",
    "\ufeff",
    " ",
    "",
]


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """The folders of two tiny presets."""
    bert, roberta = (str(tmp_path_factory.mktemp(name)) for name in ("bert", "roberta"))
    size = {"num_layers": 1, "num_heads": 1, "hidden_dim": 2, "intermediate_dim": 2}
    keras_hub.models.BertBackbone(len(PIECES), **size).save_to_preset(bert)
    keras_hub.models.BertTokenizer(PIECES, lowercase=True).save_to_preset(bert)
    names = ["<s>", "<pad>", "</s>", "<mask>", *BYTES, *("".join(pair.split()) for pair in MERGES)]
    vocabulary = {name: number for number, name in enumerate(dict.fromkeys(names))}
    keras_hub.models.RobertaBackbone(len(vocabulary), **size).save_to_preset(roberta)
    keras_hub.models.RobertaTokenizer(vocabulary, MERGES).save_to_preset(roberta)
    return {"bert": bert, "roberta": roberta}


@pytest.fixture(scope="module", params=["bytes", "words", "bert"])
def tokenizer(request, presets):
    if request.param == "bytes":
        return BytePairs.train(TRAINING, 300)
    if request.param == "words":
        return LowerCaseWords.train(TRAINING, 20)
    return subwords.open_preset(presets["bert"])


def random_texts(count):
    rng = random.Random(0)
    signs = "thedogcaABİé \u0301\u0323\u200d\u00a0\t\n\x00'[]🚀👩中カ가\u1161بَ\ud83d\u200f"
    return ["".join(rng.choices(signs, k=rng.randrange(20))) for _ in range(count)]


class TestPromises:
    def test_offsets_are_in_order_and_cover_what_is_seen(self, tokenizer):
        for text in TEXTS + random_texts(300):
            ids, offsets = tokenizer.encode(text)
            assert len(ids) == len(offsets)
            assert all(0 <= number < tokenizer.vocabulary_size for number in ids)
            assert not {tokenizer.pad, tokenizer.start, tokenizer.end} & set(ids)
            assert all(0 <= start <= end <= len(text) for start, end in offsets)
            for one, two in itertools.pairwise(offsets):
                assert one[0] <= two[0] and one[1] <= two[1]
            covered = {i for start, end in offsets for i in range(start, end)}
            categories = {unicodedata.category(text[i]) for i in set(range(len(text))) - covered}
            assert categories <= {"Zs", "Zl", "Zp", "Cc", "Cf"}, ascii(text)

    def test_every_word_has_pieces_of_its_own(self, tokenizer):
        for text in TEXTS + random_texts(100):
            words = text.split(" ")  # Some of them empty, or nothing to be seen.
            ids, first = tokenizer.encode_words(words)
            bounds = [*first, len(ids)]
            assert len(first) == len(words) and bounds[0] == 0
            for i, word in enumerate(words):
                alone, _ = tokenizer.encode_words([word])
                assert ids[bounds[i] : bounds[i + 1]] == alone != []

    def test_saved_and_loaded_it_encodes_alike(self, tokenizer, tmp_path):
        tokenizer.save(tmp_path)
        loaded = subwords.load(tmp_path)
        for name in ("pad", "start", "end", "vocabulary_size"):
            assert getattr(loaded, name) == getattr(tokenizer, name)
        for text in TEXTS:
            assert loaded.encode(text) == tokenizer.encode(text)
            words = text.split(" ")
            assert loaded.encode_words(words) == tokenizer.encode_words(words)

    def test_no_words(self, tokenizer):
        assert tokenizer.encode_words([]) == ([], [])
        assert tokenizer.encode("") == ([], [])


class TestBytePairs:
    tokenizer = BytePairs.train(TRAINING, 300)

    def test_special_ids(self):
        assert (self.tokenizer.pad, self.tokenizer.start, self.tokenizer.end) == (0, 1, 2)

    def test_words_are_encoded_as_in_a_text(self):
        ids, first = self.tokenizer.encode_words(["the", "dog", "sees"])
        assert ids == self.tokenizer.encode("the dog sees")[0]
        _, offsets = self.tokenizer.encode("the dog sees")
        assert [offsets[i][0] for i in first] == [0, 4, 8]

    def test_bytes_of_a_character_have_all_of_it(self):
        assert set(self.tokenizer.encode("a🚀")[1][-4:]) == {(1, 2)}
        assert self.tokenizer.encode("🚀 a")[1][-1] == (2, 3)


class TestLowerCaseWords:
    tokenizer = LowerCaseWords.train(["The dog's the DOG", "cat cat cat"], 7, known=["zoo", "u.s."])

    def test_vocabulary(self):
        assert self.tokenizer.vocabulary[4:] == ("cat", "dog", "the", "zoo", "u.s.")
        assert self.tokenizer.vocabulary_size == 9

    def test_ids_and_where_they_stand(self):
        assert self.tokenizer.encode("THE zoo’s Dog") == (
            [6, 7, UNKNOWN, 5],
            [(0, 3), (4, 7), (7, 9), (10, 13)],
        )

    def test_words_known_as_they_are_written_stay_whole(self):
        assert self.tokenizer.encode_words(["U.S.", "Zoo-Dog", "\u200b", "", "?"]) == (
            [8, 7, UNKNOWN, 5, UNKNOWN, UNKNOWN, UNKNOWN],
            [0, 1, 4, 5, 6],
        )

    def test_special_words_are_text(self):
        tokenizer = LowerCaseWords.train(["[pad] [PAD] [UNKNOWN]"], 20)
        assert set(tokenizer.encode_words(["[PAD]", "[START]"])[0]) & {0, 1, 2} == set()


class TestPresets:
    def test_bert(self, presets):
        tokenizer = subwords.open_preset(presets["bert"])
        assert (tokenizer.pad, tokenizer.start, tokenizer.end) == (0, 2, 3)
        assert tokenizer.vocabulary_size == len(PIECES)
        theirs = keras_hub.models.BertTokenizer.from_preset(presets["bert"])
        texts = [text for text in TEXTS if "\ud83d" not in text]
        for text, expected in zip(texts, theirs(texts), strict=True):
            assert tokenizer.encode(text)[0] == list(expected)
        assert tokenizer.encode("The cats")[1] == [(0, 3), (4, 7), (7, 8)]
        assert tokenizer.encode_words(["cats", "\x00", "", "x"]) == ([7, 8, 1, 1, 1], [0, 2, 3, 4])

    def test_roberta(self, presets):
        tokenizer = subwords.open_preset(presets["roberta"])
        assert (tokenizer.pad, tokenizer.start, tokenizer.end) == (1, 0, 2)
        theirs = keras_hub.models.RobertaTokenizer.from_preset(presets["roberta"])
        texts = ["the dog sees the cat", "don't go, it's 204!", "the", " dogs cat’s café", ""]
        for text, expected in zip(texts, theirs(texts), strict=True):
            assert tokenizer.encode(text)[0] == list(expected), text
        # Three bytes, of which the first goes with the space before.
        assert tokenizer.encode("the dog ’s")[1] == [(0, 3), (4, 7), (8, 8), *[(8, 9)] * 3, (9, 10)]

    def test_words_of_roberta_begin_with_a_space(self, presets, tmp_path):
        tokenizer = subwords.open_preset(presets["roberta"])
        tokenizer.save(tmp_path)
        for each in (tokenizer, subwords.load(tmp_path)):
            ids, first = each.encode_words(["the", "dog", ""])
            assert ids[:2] == each.encode(" the dog")[0] and first == [0, 1, 2] and len(ids) > 2
            assert (each.pad, each.start, each.end) == (1, 0, 2)

    def test_a_name_that_is_none_is_the_users_error(self, tmp_path):
        with pytest.raises(UserError, match=f"cannot open the tokenizer of the preset {tmp_path}"):
            subwords.open_preset(str(tmp_path))


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b'{"kind": "Other"}', b'{"kind": "PresetPieces"}', b"\xff\x00"]
)
def test_a_file_of_something_else_is_the_users_error(tmp_path, content):
    if content is not None:
        (tmp_path / "subwords.json").write_bytes(content)
    with pytest.raises(UserError, match=r"subwords\.json cannot be read as a tokenizer"):
        subwords.load(tmp_path)


def test_the_file_says_its_kind(tmp_path):
    LowerCaseWords.train(TRAINING, 20).save(tmp_path)
    assert json.loads((tmp_path / "subwords.json").read_text())["kind"] == "LowerCaseWords"
