import numpy as np
import pytest

from pipelines.builtin.dates import month_pointing
from pipelines.text.tokenizer import END, PAD, Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["7 March 2024", "2024-03-07", "Thursday"] * 3, 320)


ROWS = [
    {"source": "Thursday 7 March 2024", "target": "2024-03-07", "month": [11, 16]},
    {"source": "2024年3月7日", "target": "2024-03-07", "month": [5, 7]},
]


def output(tokenizer, row, text, attended):
    """Ids and weights of which each character of `text` attends to the one at `attended[i]`."""
    ids = tokenizer.encode([text])[0][1:]
    spans = tokenizer.offsets(row["source"])
    weights = np.full((len(ids), len(spans) + 1), 0.01)
    for position, character in enumerate(attended, 1):  # A token of its own holds the space before.
        covering = [i for i, (start, end) in enumerate(spans) if start <= character < end]
        weights[position, covering[-1]] = 1
    return ids, weights


def tokens(tokenizer, text):
    return [tokenizer.decode([token]) for token in tokenizer.encode([text])[0][1:-1]]


def test_share_of_month_tokens_that_look_at_the_month(tokenizer):
    assert tokens(tokenizer, "2024-03-07") == ["", *"2024-03-07"]
    right = output(tokenizer, ROWS[0], "2024-03-07", [17, 0, 0, 0, 0, 12, 13, 0, 9, 9])
    wrong = output(tokenizer, ROWS[0], "2024-03-07", [11, 11, 11, 11, 11, 9, 9, 11, 11, 11])
    assert month_pointing.accuracy(ROWS[:1], [right], tokenizer) == 1
    assert month_pointing.accuracy(ROWS[:1], [wrong], tokenizer) == 0
    assert month_pointing.accuracy([ROWS[0]] * 3, [right, wrong, right], tokenizer) == 2 / 3


def test_every_token_of_the_month_counts(tokenizer):
    half = output(tokenizer, ROWS[0], "2024-11-07", [0, 0, 0, 0, 0, 11, 9, 0, 0, 0])
    assert month_pointing.accuracy(ROWS[:1], [half], tokenizer) == 0.5
    # A wrong month may still be looked at.
    both = output(tokenizer, ROWS[0], "2024-11-07", [0, 0, 0, 0, 0, 11, 15, 0, 0, 0])
    assert month_pointing.accuracy(ROWS[:1], [both], tokenizer) == 1


def test_any_byte_of_the_months_characters_will_do(tokenizer):
    row = ROWS[1]
    for character, expected in ((4, 0), (5, 1), (6, 1), (7, 0)):
        found = output(tokenizer, row, "2024-03-07", [0] * 5 + [character] * 2 + [0] * 3)
        assert month_pointing.accuracy([row], [found], tokenizer) == expected


@pytest.mark.parametrize(
    "text", ["", "2024-3-07", "hello", "2024-03-07-", "07-03-2024", "٢٠٢٤-٠٣-٠٧"]
)
def test_what_is_no_date_is_a_miss(tokenizer, text):
    ids = tokenizer.encode([text])[0][1:]
    weights = np.ones((len(ids), 30))
    right = output(tokenizer, ROWS[0], "2024-03-07", [0] * 5 + [11, 12])
    found = month_pointing.accuracy([ROWS[0]] * 2, [(ids, weights), right], tokenizer)
    assert found == 2 / 3  # Both digits of one, and one miss.


def test_the_end_of_the_source_and_padding_are_no_month(tokenizer):
    ids, weights = output(tokenizer, ROWS[0], "2024-03-07", [0] * 5 + [11, 12])
    padded = [*ids, PAD, PAD]
    assert ids[-1] == END
    wide = np.pad(weights, ((0, 2), (0, 4)))
    assert month_pointing.accuracy(ROWS[:1], [(np.array(padded), wide)], tokenizer) == 1
    weights[6:8, -1] = 9
    assert month_pointing.accuracy(ROWS[:1], [(ids, weights)], tokenizer) == 0


def test_mistakes(tokenizer):
    with pytest.raises(ValueError, match="2 rows, 0 outputs"):
        month_pointing.accuracy(ROWS, [], tokenizer)
    with pytest.raises(ValueError, match="0 rows, 0 outputs"):
        month_pointing.accuracy([], [], tokenizer)
