import json
import os

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from pipelines.commands.errors import UserError
from pipelines.text.tokenizer import END, PAD, START, Tokenizer, pad

TEXTS = [
    "a small red circle above a blue square",
    "a large red triangle, left of the small circle",
    "the blue circles aren't striped",
] * 3
UNSEEN = [
    "🐕 and 🚲🚲",
    "一只红色的狗",
    "Ünïcödé café, naïve œuvre",
    "tab\tand\nnew line",
    "double  space",
    "[END] of the [PAD] [START]",
    "Ġ Ċ 12,345.67 %$#@!",
    "a\u00a0hard space",
]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS, 300)


class TestTokenizer:
    @pytest.mark.parametrize("text", [*TEXTS[:3], *UNSEEN, ""])
    def test_a_text_comes_back_as_it_was(self, tokenizer, text):
        [ids] = tokenizer.encode([text])
        assert ids[0] == START and ids[-1] == END
        assert not {PAD, START, END} & set(ids[1:-1])
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(np.array(ids)) == text
        assert tokenizer.decode(pad([ids], len(ids) + 5)[0]) == text

    def test_what_is_frequent_becomes_one_token(self, tokenizer):
        [ids] = tokenizer.encode(["circle"])
        assert len(ids) == 3
        [ids] = tokenizer.encode(["zebra"])
        assert len(ids) > 3

    def test_marks_are_merged_with_their_letters(self):
        tokenizer = Tokenizer.train(["हिन्दी می\u200cروم"] * 3, 400)
        texts = ["हिन्दी", "می\u200cروم"]
        assert [len(ids) for ids in tokenizer.encode(texts)] == [3, 3]
        assert tokenizer.offsets(texts[0]) == [(0, 6)]

    def test_latin_text_is_cut_as_by_gpt_2(self, tokenizer):
        theirs = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
        )
        ours = tokenizer._model.pre_tokenizer
        for text in (*TEXTS[:3], *UNSEEN, "We'll, it's 5 o'clock;  I'd\n\n go—“ça” œ²½ __x__ "):
            assert ours.pre_tokenize_str(text) == theirs.pre_tokenize_str(text)

    def test_special_ids(self, tokenizer):
        assert (PAD, START, END) == (0, 1, 2)
        [ids] = tokenizer.encode(["a red circle"])
        assert tokenizer.decode([*ids, *ids]) == "a red circle"  # Ends at the first end.
        assert tokenizer.decode(ids[1:-1]) == "a red circle"
        assert tokenizer.decode([PAD, START, *ids[1:-1], PAD, PAD]) == "a red circle"
        assert tokenizer.decode([END, *ids]) == tokenizer.decode([]) == ""

    @pytest.mark.parametrize("limit", [259, 270, 300])
    def test_the_vocabulary_keeps_to_its_size(self, limit):
        assert Tokenizer.train(TEXTS, limit).vocabulary_size == limit

    def test_bytes_and_special_tokens_are_always_there(self):
        assert Tokenizer.train(TEXTS, 10).vocabulary_size == 3 + 256

    def test_merges_need_a_pair_that_comes_twice(self):
        assert Tokenizer.train(["xyz"], 300).vocabulary_size == 3 + 256
        assert Tokenizer.train(["xyz", "xyz"], 300).vocabulary_size > 3 + 256

    def test_equal_texts_make_equal_tokenizers_and_other_texts_others(self, tmp_path):
        folders = [tmp_path / name for name in ("one", "two", "other")]
        for folder, texts in zip(folders, (TEXTS, iter(TEXTS), ["zebra zoo"] * 9), strict=True):
            folder.mkdir()
            Tokenizer.train(texts, 290).save(folder)
        one, two, other = ((folder / "tokenizer.json").read_bytes() for folder in folders)
        assert one == two != other

    def test_saved_and_loaded_it_encodes_alike(self, tokenizer, tmp_path):
        tokenizer.save(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
        loaded = Tokenizer.load(tmp_path)
        assert loaded.vocabulary_size == tokenizer.vocabulary_size
        assert loaded.encode(TEXTS + UNSEEN) == tokenizer.encode(TEXTS + UNSEEN)
        for ids in tokenizer.encode(UNSEEN):
            assert loaded.decode(ids) == tokenizer.decode(ids)

    @pytest.mark.parametrize("content", [None, b"", b"no JSON", b"{}", b"[1]", b"\xff\xfe\x00"])
    def test_a_file_that_is_no_tokenizer_is_the_users_error(self, tmp_path, content):
        if content is not None:
            (tmp_path / "tokenizer.json").write_bytes(content)
        with pytest.raises(UserError, match=r"tokenizer\.json"):
            Tokenizer.load(tmp_path)

    def test_half_a_file_is_the_users_error(self, tokenizer, tmp_path):
        tokenizer.save(tmp_path)
        path = tmp_path / "tokenizer.json"
        path.write_text(path.read_text("utf-8")[:1000], "utf-8")
        with pytest.raises(UserError, match=r"tokenizer\.json"):
            Tokenizer.load(tmp_path)
        path.write_text(json.dumps({"model": {"type": "BPE"}}), "utf-8")
        with pytest.raises(UserError, match=r"tokenizer\.json"):
            Tokenizer.load(tmp_path)


class TestStrange:
    """A file of a stranger is made of what ours are made of, or is refused in one line."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"normalizer": {"type": "Replace", "pattern": {"Regex": "(a+)+$"}}}, "normalizer"),
            ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split"}]}}, "pre_"),
            ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": 3}}, "pre_tokenizer"),
            ({"decoder": ["ByteLevel"]}, "decoder"),
            ({"padding": {"strategy": {"Fixed": 10**9}}}, "fills up"),
            ({"truncation": {"max_length": 1}}, "cuts"),
            ({"model": {"type": "Unigram", "vocab": []}}, "its model is none of BPE, WordLevel"),
            ({"vocab": {"a": 0, "b": 1}}, "has 2 tokens"),
            ({"vocab": {"a": 0, "b": 1, "c": 2, "d": 9}}, "not the numbers from 0 on"),
            ({"vocab": {"a": 0, "b": 1, "c": 2, "d": True}}, "not the numbers from 0 on"),
            ({"unk_token": "nowhere"}, "lacks the unknown token"),
            ({"continuing_subword_prefix": "é"}, "continuing_subword_prefix"),
            ({"merges": [["zz", "q"]]}, "out of vocabulary"),
            ({"added_tokens": 5}, "invalid type"),
        ],
    )
    def test_what_is_refused(self, tokenizer, tmp_path, change, reason, capfd):
        tokenizer.save(tmp_path)
        path = tmp_path / "tokenizer.json"
        content = json.loads(path.read_text("utf-8"))
        for name, value in change.items():
            (content if name in content else content["model"])[name] = value
        path.write_text(json.dumps(content), "utf-8")
        said = rf"^{path} cannot be read as a tokenizer: .*{reason}"
        with pytest.raises(UserError, match=said):
            Tokenizer.load(tmp_path)
        assert capfd.readouterr().err == ""

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "tokenizer.json")
        with pytest.raises(UserError, match=r"tokenizer\.json is a pipe, not a file"):
            Tokenizer.load(tmp_path)


class TestOffsets:
    def test_tokens_stand_where_their_text_is(self, tokenizer):
        text = "a zebra, red circle"
        spans = tokenizer.offsets(text)
        [ids] = tokenizer.encode([text])
        assert len(spans) == len(ids) - 2
        for token, (start, end) in zip(ids[1:-1], spans, strict=True):
            assert text[start:end] == tokenizer.decode([token])
        assert (spans[0], spans[-1]) == ((0, 1), (13, 19))  # Without the space before the word.

    @pytest.mark.parametrize("text", [*TEXTS[:3], *UNSEEN, " leading", "", "  "])
    def test_they_cover_all_but_white_space_in_order(self, tokenizer, text):
        spans = tokenizer.offsets(text)
        assert len(spans) == len(tokenizer.encode([text])[0]) - 2
        covered = {i for start, end in spans for i in range(start, end)}
        assert covered == {i for i, char in enumerate(text) if not char.isspace()}
        assert all(0 <= start <= end <= len(text) for start, end in spans)
        assert spans == sorted(spans)

    def test_bytes_of_one_character_share_its_span(self, tokenizer):
        # A space of its own stands before what was never seen; it is no text.
        assert tokenizer.offsets("狗 🐕") == [(0, 0), *[(0, 1)] * 3, (2, 2), *[(2, 3)] * 4]

    def test_white_space_is_no_text(self, tokenizer):
        assert tokenizer.offsets("x  y") == [(0, 0), (0, 1), (2, 2), (3, 3), (3, 4)]


class TestWords:
    def test_positions_of_words_of_one_and_of_several_tokens(self, tokenizer):
        [ids] = tokenizer.encode(["a zebra, red 狗"])
        content = ids[1:]  # What decoding emits: no start.
        words, positions = tokenizer.words(content)
        assert words == ["a", "zebra,", "red", "狗"]
        assert positions[0] == [0]
        assert len(positions[1]) > 1 and len(positions[2]) == 1 and len(positions[3]) > 1
        # Together they are all positions before the end, in order.
        assert [i for where in positions for i in where] == list(range(len(content) - 1))
        for word, where in zip(words, positions, strict=True):
            assert tokenizer.decode([content[i] for i in where]) == word

    @pytest.mark.parametrize("text", [*TEXTS[:3], *UNSEEN[:3], "double  space", " ", ""])
    def test_they_are_those_of_the_decoded_text(self, tokenizer, text):
        [ids] = tokenizer.encode([text])
        assert tokenizer.words(ids)[0] == text.split()

    def test_special_tokens_belong_to_no_word(self, tokenizer):
        [ids] = tokenizer.encode(["red circle"])
        red, circle = ids[1:-1]
        words = ["red", "circle"]
        assert tokenizer.words([red, circle, END, PAD, PAD]) == (words, [[0], [1]])
        assert tokenizer.words([START, red, circle, END, red]) == (words, [[1], [2]])
        assert tokenizer.words([red, PAD, circle]) == (words, [[0], [2]])
        assert tokenizer.words(np.array([END, PAD])) == ([], [])


class TestPad:
    def test_shorter_ones_are_filled_and_longer_ones_keep_their_end(self):
        ids = pad([[1, 7, 2], [1, 7, 8, 2], [1, 7, 8, 9, 10, 2], []], 4)
        assert ids.dtype == np.int32
        assert ids.tolist() == [[1, 7, 2, 0], [1, 7, 8, 2], [1, 7, 8, 2], [0, 0, 0, 0]]
