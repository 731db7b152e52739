import json
import random

import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.text.tokenizer import END, PAD, SPECIAL, START, pad
from pipelines.text.word_tokenizer import UNKNOWN, WordTokenizer, plain, split

TEXTS = ["the dog sees the cat", "the cat doesn't run.", "a dog, a cat"] * 2
ODD = [
    "numpy.ndarray of `dtype`, don't!",
    "🐕 and 👩‍🚀👍🏽",
    "一只红色的狗。",
    "مرحبا بِكَ، يا صديقي",
    "tab\tand\nnew line",
    "double  space and\u00a0hard space",
    "[END] of the [PAD] [UNKNOWN]",
    "\uffed square\uffed\uffed \uffed",
    "caf\u0301e \u200b zero_width 12,345.67 %$#@!",
    " ",
    "",
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer.train(TEXTS, 10)


def spaced(text):
    return " ".join(text.split())


class TestSplit:
    def test_words_and_signs_with_a_mark_where_no_space_stands(self):
        tokens = split("numpy.ndarray, don't  (go)\tnow_1")
        assert tokens[0] == "numpy"
        assert [plain(token) for token in tokens] == [
            *("numpy", ".", "ndarray", ",", "don", "'", "t", "(", "go", ")", "now_1")
        ]
        marked = [plain(token) for token in tokens if plain(token) != token]
        assert marked == [".", "ndarray", ",", "'", "t", "go", ")"]

    def test_the_mark_alone_is_a_sign(self):
        alone, joined = split("\uffed\uffed")
        assert plain(alone) == plain(joined) == "\uffed" and alone != joined

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("कुत्ता पानी पी रहा है।", "कुत्ता पानी पी रहा है ।"),
            ("مُحَمَّدٌ رَسُول", "مُحَمَّدٌ رَسُول"),
            ("ne\u0301e don't", "ne\u0301e don ' t"),
            ("می\u200cروم അവന്\u200d.", "می\u200cروم അവന്\u200d ."),
            ("ลักษณะ iPhone手机", "ลั ก ษ ณ ะ iPhone 手 机"),
            ("👩\u200d🚀👍🏽 ❤️!", "👩\u200d🚀 👍🏽 ❤️ !"),
        ],
    )
    def test_marks_belong_to_letters_and_scripts_without_spaces_are_cut(self, text, tokens):
        assert [plain(token) for token in split(text)] == tokens.split()

    def test_accents_are_equal_however_they_are_written(self):
        tokenizer = WordTokenizer.train(["ne\u0301e", "née"], 9)
        assert tokenizer.vocabulary[4:] == ("née",)
        assert tokenizer.encode(["née ne\u0301e"]) == [[START, 4, 4, END]]


class TestVocabulary:
    def test_the_most_frequent_words_come_first(self):
        tokenizer = WordTokenizer.train(["b a b", "c a b", "d"], 7)
        assert tokenizer.vocabulary == (*SPECIAL, "[UNKNOWN]", "b", "a", "c")
        assert tokenizer.vocabulary_size == 7
        assert (PAD, START, END, UNKNOWN) == (0, 1, 2, 3)

    def test_it_is_no_larger_than_the_words_there_are(self):
        assert WordTokenizer.train(["b a"], 300).vocabulary_size == 6

    def test_ids(self):
        tokenizer = WordTokenizer.train(["b b b a a c"], 6)
        assert tokenizer.encode(["a c b", ""]) == [[START, 5, UNKNOWN, 4, END], [START, END]]


class TestSources:
    """V is 6: `b` is 4 and `a` is 5."""

    tokenizer = WordTokenizer.train(["b b b a a c"], 6)

    def test_an_unknown_word_is_its_first_position(self):
        (ids,) = self.tokenizer.encode_sources(["a x b y x x"], 20)
        assert ids == [5, 6 + 1, 4, 6 + 3, 6 + 1, 6 + 1, END]

    def test_a_long_one_is_cut_before_its_end(self):
        (ids,) = self.tokenizer.encode_sources(["a x b y x x"], 4)
        assert ids == [5, 6 + 1, 4, END]
        assert self.tokenizer.encode_sources(["a x b"], 4) == [[5, 6 + 1, 4, END]]
        assert self.tokenizer.encode_sources(["x " * 999])[0] == [*[6] * 999, END]

    def test_targets_take_the_ids_of_their_source(self):
        sources, targets = self.tokenizer.encode_pairs(
            ["x a y", "y z"], ["y b z x", "a z"], max_source=9, max_target=9
        )
        assert sources == [[6, 5, 8, END], [6, 7, END]]
        assert targets == [[START, 8, 4, UNKNOWN, 6, END], [START, 5, 7, END]]

    def test_what_is_cut_off_the_source_cannot_be_copied(self):
        sources, targets = self.tokenizer.encode_pairs(["x a y"], ["y x"], 3, 9)
        assert sources == [[6, 5, END]] and targets == [[START, UNKNOWN, 6, END]]

    def test_a_target_that_is_cut_has_no_end(self):
        _, targets = self.tokenizer.encode_pairs(["x"], ["a b a b x"], 9, 3)
        assert targets == [[START, 5, 4, 5]]

    def test_a_mark_makes_another_word(self):
        (ids,) = self.tokenizer.encode_sources(["x .x .x x"], 9)
        assert ids == [6, 7, 8, 7, 8, 6, END]

    def test_without_copies_every_such_word_is_unknown(self, tmp_path):
        trained = WordTokenizer.train(["b b b a a c"], 6, copies=False)
        trained.save(tmp_path)
        for tokenizer in (trained, WordTokenizer.load(tmp_path)):
            assert tokenizer.encode_sources(["a x b x"], 9) == [[5, UNKNOWN, 4, UNKNOWN, END]]
            sources, targets = tokenizer.encode_pairs(["x a"], ["a x"], 9, 9)
            assert (sources, targets) == ([[UNKNOWN, 5, END]], [[START, 5, UNKNOWN, END]])

    def test_every_id_is_below_the_sum_of_both_lengths(self):
        (ids,) = self.tokenizer.encode_sources(["p q r s t"], 9)
        assert max(ids) < 6 + len(ids)


class TestFoldedCase:
    """`the` and `The` are one word: V is 6, `DOG` is 4 and `the` is 5."""

    tokenizer = WordTokenizer.train(["the The the dog DOG DOG cat"], 6, fold_case=True)

    def test_the_most_frequent_spelling_stands_for_a_word(self):
        assert self.tokenizer.vocabulary == (*SPECIAL, "[UNKNOWN]", "DOG", "the")

    def test_ids_do_not_depend_on_case(self):
        assert self.tokenizer.encode(["THE Dog dog"]) == [[START, 5, 4, 4, END]]

    def test_a_word_can_be_copied_in_another_case(self):
        sources, targets = self.tokenizer.encode_pairs(["Zed the zed"], ["ZED dog"], 9, 9)
        assert sources == [[6, 5, 6, END]] and targets == [[START, 6, 4, END]]

    def test_a_known_word_is_written_as_in_the_vocabulary_a_copied_one_as_in_the_source(self):
        ids = [START, 4, 5, 6, END]
        assert self.tokenizer.decode(ids, "Zed saw The dog, zed") == "DOG the Zed"

    @pytest.mark.parametrize(
        ("texts", "text", "written"),
        [
            (["the Dog"], "THE dog, the Cat", "The Dog, the Cat"),
            (["an iPhone"], "IPHONE an", "iPhone an"),
            (["the dog"], "THE dog", "the dog"),
            (["ß"], "ẞ", "ß"),
            (["Aß"], "ß", "Ss"),
            (["A"], "«b»", "«b»"),
        ],
    )
    def test_the_first_word_gets_a_capital_where_there_are_capitals(self, texts, text, written):
        tokenizer = WordTokenizer.train(texts, 99, fold_case=True)
        (ids,) = tokenizer.encode_sources([text], 9)
        assert tokenizer.decode(ids, text) == written

    def test_it_can_be_saved(self, tmp_path):
        self.tokenizer.save(tmp_path)
        loaded = WordTokenizer.load(tmp_path)
        assert loaded.encode(["THE Dog"]) == self.tokenizer.encode(["THE Dog"])


class TestDecode:
    @pytest.mark.parametrize("text", [*TEXTS[:3], *ODD])
    def test_a_source_comes_back_but_for_the_width_of_spaces(self, tokenizer, text):
        (ids,) = tokenizer.encode_sources([text], 999)
        for sequence in (ids, np.array(ids), pad([ids], len(ids) + 5)[0], [START, *ids, *ids]):
            assert tokenizer.decode(sequence, text) == spaced(text)

    def test_random_texts_come_back(self):
        rng = random.Random(0)
        signs = "aB9_  \t\n.,'-(\uffed😀\u200d🚀é\u0301بَ中\u200b\u00a0[]\x00\x1f"
        texts = ["".join(rng.choices(signs, k=rng.randrange(30))) for _ in range(400)]
        tokenizer = WordTokenizer.train(texts, 40)
        for text, ids in zip(texts, tokenizer.encode_sources(texts, 99), strict=True):
            assert tokenizer.decode(ids, text) == spaced(text)
            words, positions = tokenizer.words(ids, text)
            assert " ".join(words) == spaced(text)
            assert [i for where in positions for i in where] == list(range(len(ids) - 1))

    def test_a_copy_is_spelt_as_in_its_source(self, tokenizer):
        source = "see numpy.ndarray"
        (ids,) = tokenizer.encode_sources([source], 9)
        the = tokenizer.encode(["the"])[0][1]
        assert tokenizer.decode([the, *ids[1:4], END], source) == "the numpy.ndarray"
        assert tokenizer.decode([ids[2], ids[1]], source) == ". numpy"
        assert tokenizer.words([the, *ids[1:4]], source) == (
            ["the", "numpy.ndarray"],
            [[0], [1, 2, 3]],
        )

    def test_what_cannot_be_known(self, tokenizer):
        size = tokenizer.vocabulary_size
        assert tokenizer.decode([UNKNOWN, size + 7], "one two") == "[UNKNOWN] [UNKNOWN]"
        assert tokenizer.decode([size]) == "[UNKNOWN]"
        assert tokenizer.decode([]) == tokenizer.decode([END, 4]) == ""


class TestFile:
    def test_saved_and_loaded_it_encodes_alike(self, tokenizer, tmp_path):
        tokenizer.save(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["words.json"]
        loaded = WordTokenizer.load(tmp_path)
        assert loaded.vocabulary == tokenizer.vocabulary
        assert loaded.encode_sources(TEXTS + ODD, 99) == tokenizer.encode_sources(TEXTS + ODD, 99)

    def test_one_of_an_earlier_version_cuts_as_it_was_made(self, tmp_path):
        words = [*SPECIAL, "[UNKNOWN]", "ह", "\uffedि", "\uffedन"]
        content = {"copies": False, "fold_case": False, "words": words}
        (tmp_path / "words.json").write_text(json.dumps(content), "utf-8")
        tokenizer = WordTokenizer.load(tmp_path)
        assert (tokenizer.version, tokenizer.encode(["हिन"])) == (1, [[START, 4, 5, 6, END]])
        tokenizer.save(tmp_path)
        assert WordTokenizer.load(tmp_path).version == 1
        content["version"] = 3
        (tmp_path / "words.json").write_text(json.dumps(content), "utf-8")
        with pytest.raises(UserError, match="no vocabulary of words"):
            WordTokenizer.load(tmp_path)

    @pytest.mark.parametrize(
        "content",
        [
            None,
            b"",
            b"no JSON",
            b"{}",
            b'"words"',
            b"[1]",
            b'["a", "b"]',
            b"\xff\xfe\x00",
            b"[" * 9999,
        ],
    )
    def test_a_file_of_something_else_is_the_users_error(self, tmp_path, content):
        if content is not None:
            (tmp_path / "words.json").write_bytes(content)
        with pytest.raises(
            UserError, match=r"words\.json(: this is no| cannot be read as a) vocabulary"
        ):
            WordTokenizer.load(tmp_path)

    def test_half_a_file_is_the_users_error(self, tokenizer, tmp_path):
        tokenizer.save(tmp_path)
        path = tmp_path / "words.json"
        path.write_text(path.read_text("utf-8")[:40], "utf-8")
        with pytest.raises(UserError, match=r"words\.json cannot be read as a vocabulary"):
            WordTokenizer.load(tmp_path)
