"""Windows beside their definition, and answers beside a search of every span."""

import random
import time

import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.text.qa_windows import best_spans, make_windows
from pipelines.text.subwords import BytePairs, LowerCaseWords

WORDS = [
    "red",
    "dogs",
    "Paris",
    "in",
    "1999",
    "café",
    "中国",
    "👩‍🚀",
    "don't",
    "l\u0323o",
    "x.",
    "\u00a0",
]
SIZES = {"max_length": 19, "overlap": 5, "max_question": 7}


def text(rng, count):
    return "".join(rng.choice(WORDS) + rng.choice([" ", " ", "  ", "\n", ""]) for _ in range(count))


@pytest.fixture(scope="module", params=["bytes", "words"])
def subwords(request):
    texts = [text(random.Random(seed), 40) for seed in range(9)]
    kinds = {"bytes": BytePairs, "words": LowerCaseWords}
    return kinds[request.param].train(texts, 320)


def visible(context, offsets):
    return [i for i, (start, end) in enumerate(offsets) if start < end]


def question(rng, context, subwords):
    """A row whose answer is made of whole tokens, and how many they are."""
    _, offsets = subwords.encode(context)
    tokens = visible(context, offsets)
    if not tokens:
        return {"question": text(rng, 3), "context": context, "answers": []}, 0
    first = rng.randrange(len(tokens))
    last = min(first + rng.randrange(9), len(tokens) - 1)
    start, end = offsets[tokens[first]][0], offsets[tokens[last]][1]
    # Those that share a character with it are in it too.
    inside = [i for i in tokens if offsets[i][1] > start and offsets[i][0] < end]
    answer = {"text": context[start:end], "start": start}
    row = {"question": text(rng, rng.randrange(9)), "context": context, "answers": [answer]}
    return row, inside[-1] - inside[0] + 1


@pytest.fixture(scope="module")
def questions(subwords):
    rng = random.Random(1)
    found = [question(rng, text(rng, rng.randrange(30)), subwords) for _ in range(150)]
    return [row for row, _ in found], [count for _, count in found]


class TestWindows:
    def test_each_is_start_question_end_context_end(self, subwords, questions):
        rows, _ = questions
        windows = make_windows(rows, subwords, **SIZES)
        seen = {}
        for i, ids in enumerate(windows.ids):
            row = rows[windows.rows[i]]
            asked = subwords.encode(row["question"])[0][: SIZES["max_question"]]
            context, offsets = subwords.encode(row["context"])
            first, at = windows.first_tokens[i], len(asked) + 2
            piece = context[first : first + SIZES["max_length"] - at - 1]
            expected = [subwords.start, *asked, subwords.end, *piece, subwords.end]
            padding = SIZES["max_length"] - len(expected)
            assert ids.tolist() == expected + [subwords.pad] * padding
            assert (windows.context_starts[i], windows.lengths[i]) == (at, len(expected))
            assert windows.mask[i].tolist() == [True] * len(expected) + [False] * padding
            segments = [0] * at + [1] * (len(piece) + 1) + [0] * padding
            assert windows.segments[i].tolist() == segments
            expected = np.array(offsets[first : first + len(piece)]).reshape(-1, 2)
            np.testing.assert_array_equal(windows.context_offsets(i), expected)
            tokens = range(first, first + len(piece))
            if windows.rows[i] in seen and len(piece):
                # No two windows of a row leave a token out, or share fewer than they should.
                assert tokens[0] + SIZES["overlap"] <= seen[windows.rows[i]].stop
            seen[windows.rows[i]] = tokens
        assert list(windows.rows) == sorted(windows.rows) and set(seen) == set(range(len(rows)))
        for number, row in enumerate(rows):
            assert seen[number].stop == len(subwords.encode(row["context"])[0])

    def test_no_answer_is_lost_at_an_edge(self, subwords, questions):
        rows, counts = questions
        windows = make_windows(rows, subwords, **SIZES)
        assert max(counts) > SIZES["overlap"] and len(windows.ids) > 2 * len(rows)
        for number, (row, count) in enumerate(zip(rows, counts, strict=True)):
            held = 0
            for window in np.flatnonzero(windows.rows == number):
                first, last = windows.answers[window] - windows.context_starts[window]
                if not windows.answers[window].any():
                    continue
                held += 1
                offsets = windows.context_offsets(window)
                start, end = offsets[first][0], offsets[last][1]
                assert row["context"][start:end] == row["answers"][0]["text"]
                assert start == row["answers"][0]["start"]
            assert held or count > SIZES["overlap"] or not row["answers"]

    def test_an_answer_within_a_token_is_that_token(self):
        subwords = LowerCaseWords.train(["the unbelievable dog"], 20)
        row = {"question": "?", "context": "the unbelievable dog"}
        row["answers"] = [{"text": "believ", "start": 6}, {"text": "dog", "start": 17}]
        windows = make_windows([row], subwords, **SIZES)
        assert windows.answers.tolist() == [[4, 4]]
        row["answers"] = [{"text": " ", "start": 3}]
        assert make_windows([row], subwords, **SIZES).answers.tolist() == [[0, 0]]

    def test_the_room_must_be_more_than_the_overlap(self, subwords):
        with pytest.raises(ValueError, match="max_length=15, max_question=7, overlap=5"):
            make_windows([], subwords, max_length=15, overlap=5, max_question=7)
        assert make_windows([], subwords, max_length=16, overlap=5, max_question=7).ids.shape == (
            0,
            16,
        )


def every_span(windows, rows, start_scores, end_scores, max_answer):
    """The best span of each row among all, one by one."""
    best = [((0, 0), -np.inf)] * len(rows)
    for window, number in enumerate(windows.rows):
        starts, ends = start_scores[window], end_scores[window]
        at, offsets = windows.context_starts[window], windows.context_offsets(window)
        for i, (start, first_end) in enumerate(offsets):
            for j in range(i, min(i + max_answer, len(offsets))):
                last_start, end = offsets[j]
                score = starts[at + i] + ends[at + j] - starts[0] - ends[0]
                if start < first_end and last_start < end and score > best[number][1]:
                    best[number] = ((start, end), score)
    return best


class TestBestSpans:
    @pytest.mark.parametrize("max_answer", [1, 4, 99])
    def test_equal_a_search_of_all(self, subwords, questions, max_answer):
        rows, _ = questions
        windows = make_windows(rows, subwords, **SIZES)
        logits = np.random.default_rng(0).normal(size=(2, *windows.ids.shape)).astype("float32")
        spans, scores = best_spans(windows, *logits, max_answer=max_answer)
        expected = every_span(windows, rows, *logits, max_answer)
        np.testing.assert_allclose(scores, [score for _, score in expected], rtol=1e-5)
        assert spans.tolist() == [list(map(int, span)) for span, _ in expected]

    def test_sure_scores_give_the_answers_back(self, subwords, questions):
        rows, _ = questions
        windows = make_windows(rows, subwords, **SIZES)
        length = windows.ids.shape[1]
        logits = [9.0 * np.eye(length, dtype="float32")[at] for at in windows.answers.T]
        spans, scores = best_spans(windows, *logits)
        held = {int(n) for n, a in zip(windows.rows, windows.answers, strict=True) if a.any()}
        assert len(held) > 100
        for number, row in enumerate(rows):
            if number in held:
                assert row["context"][slice(*spans[number])] == row["answers"][0]["text"]
                assert scores[number] == 18
            else:
                assert scores[number] < 0

    def test_without_context_there_is_no_answer(self, subwords):
        rows = [{"question": "who?", "context": context} for context in ("", " \n ", "red")]
        windows = make_windows(rows, subwords, **SIZES)
        zeros = np.zeros(windows.ids.shape)
        spans, scores = best_spans(windows, zeros, zeros)
        assert spans.tolist() == [[0, 0], [0, 0], [0, 3]]
        assert scores.tolist() == [-np.inf, -np.inf, 0]

    def test_scores_that_are_not_finite_are_the_users_error(self, subwords):
        windows = make_windows([{"question": "?", "context": "red"}], subwords, **SIZES)
        scores = np.full(windows.ids.shape, np.nan)
        with pytest.raises(UserError, match="its training diverged"):
            best_spans(windows, scores, scores)


def test_a_context_of_100_000_characters(subwords):
    context = text(random.Random(3), 40_000)[:100_000]
    start = context.index(" Paris ", 77_777) + 1
    row = {"question": "Where?", "context": context, "answers": [{"text": "Paris", "start": start}]}
    began = time.process_time()
    windows = make_windows([row] * 3, subwords)
    logits = [9.0 * np.eye(384, dtype="float32")[at] for at in windows.answers.T]
    spans, _ = best_spans(windows, *logits)
    assert time.process_time() - began < 30
    assert spans.tolist() == [[start, start + 5]] * 3
    # What questions about one context have in common is kept once.
    assert windows.offsets[0] is windows.offsets[2]
