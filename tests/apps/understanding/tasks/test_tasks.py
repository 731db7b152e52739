"""What the outputs of networks are read as, without a network."""

from types import SimpleNamespace

import numpy as np
import pytest

from apps.understanding import tasks
from apps.understanding.config import Config
from pipelines.text.subwords import BytePairs
from pipelines.text.text_batches import Examples

LOGITS = np.log([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]).astype("float32")


def read(task, rows, encoded, outputs, classes=(), model=None):
    """The readings of a task, as `Reader.predict` makes them."""
    reader = SimpleNamespace(classes=list(classes), model=model)
    found = task.readings(rows, encoded, outputs, reader)
    return [
        task.READING(row=row, look=lambda: None, **each)
        for row, each in zip(rows, found, strict=True)
    ]


def test_each_name_has_its_task():
    for name in tasks.DEFAULTS:
        task = tasks.of(Config(task=name))
        assert name == task.NAME and set(task.INPUTS) < set(task.FIELDS)


class TestSentiment:
    rows = ({"text": "a"}, {"text": "b"})

    def test_one_label(self):
        task = tasks.of(Config(max_length=8))
        first, second = read(task, self.rows, (None, [6, 7]), LOGITS, "xyz")
        assert (first.label, second.label) == ("y", "x")
        assert first.score == pytest.approx(0.5)
        names, scores = zip(*first.alternatives, strict=True)
        assert names == ("z", "x") and scores == pytest.approx((0.3, 0.2))
        assert list(first.probabilities) == ["y", "z", "x"]
        assert first.found == {"label": "y", "probability": 0.5}
        assert first.line == "y\t0.500"
        assert (first.truncated, second.truncated) == (False, True)

    def test_any_number_of_labels(self):
        task = tasks.of(Config(multi_label=True))
        logits = np.array([[2.0, -1.0, 0.5], [-3.0, -1.0, -2.0]], "float32")
        several, none = read(task, self.rows, (None, [1, 1]), logits, "xyz")
        x, y, z = 1 / (1 + np.exp(-logits[0].astype("float64")))
        assert several.label == ["x", "z"]
        assert several.score == pytest.approx(x * (1 - y) * z)
        ((name, score),) = several.alternatives
        assert name == "y" and score == pytest.approx(y)
        assert several.found == {"label": ["x", "z"], "probability": [0.8808, 0.6225]}
        assert several.line == '{"x": 0.8808, "z": 0.6225}'
        assert (none.label, none.line) == ([], "{}")
        assert [name for name, _ in none.alternatives] == ["y", "z", "x"]

    def test_labels_as_targets(self):
        task = tasks.of(Config(multi_label=True, max_length=8))
        rows = [{"text": "a", "label": ["y", "new"]}, {"text": "a", "label": "x"}, {"text": ""}]
        examples, counts = task.encode(rows, BytePairs.train(["a"], 300), ["x", "y"])
        assert np.array(examples.features["labels"]).tolist() == [[0, 1], [1, 0], [0, 0]]
        assert counts == [2, 2, 0]  # A space stands before a text.

    @pytest.mark.parametrize(
        ("label", "title", "reference"), [("y", "y 50%", "x, z"), ([], "none", "none")]
    )
    def test_a_map_says_what_was_found_and_what_is_true(self, label, title, reference):
        task = tasks.of(Config())
        row = {"text": "ab c", "label": ["x", "z"] if label else []}
        fields = {"label": label, "score": 0.5, "probabilities": {}}
        reading = task.READING(row=row, look=lambda: None, **fields)
        tokenizer = SimpleNamespace(encode=lambda text: ([1, 2, 3], [(0, 1), (1, 2), (3, 4)]))
        shown = task.map(reading, np.array([0.25, 0.25, 0.5], "float32"), tokenizer)
        assert (shown.title, shown.reference, shown.words) == (title, reference, ("ab", "c"))
        np.testing.assert_allclose(shown.weights, [0.5, 0.5])


class TestEntities:
    tags = ("O", "B-x", "I-x", "B-y", "I-y")

    def test_pieces_are_put_together(self):
        task = tasks.of(Config(task="ner"))
        rows = [{"tokens": list("abcd")}, {"tokens": list("e")}]
        chosen = [[1, 2], [0, 3], [4, 0]]
        model = SimpleNamespace(decode=lambda scores, mask: scores.argmax(-1))
        outputs = [np.eye(5, dtype="float32")[ids] for ids in chosen]
        pieces = [(0, 0, 2), (0, 2, 4), (1, 0, 1)]
        first, second = read(task, rows, (None, pieces), outputs, self.tags, model)
        assert first.tags == ["B-x", "I-x", "O", "B-y"]
        assert first.entities == [("a b", "x", 0, 2), ("d", "y", 3, 4)]
        assert first.line == "a/B-x b/I-x c d/B-y"
        assert (second.tags, second.text) == (["I-y"], "e")

    def test_words_are_kept_whole_in_pieces_that_fit(self):
        task = tasks.of(Config(task="ner", max_length=8))
        rows = [{"tokens": ["ab", "c", "def", "ghijklmno"]}]
        examples, pieces = task.encode(rows, BytePairs.train(["x"], 257), list(self.tags))
        assert pieces == [(0, 0, 2), (0, 2, 3), (0, 3, 4)]
        assert [words.tolist() for words in examples.features["words"]] == [[1, 4], [1], [1]]
        # A space stands before each word; of the last no more is seen than fits.
        assert examples.lengths.tolist() == [7, 6, 8]

    def test_a_word_gets_what_its_tokens_got(self):
        task = tasks.of(Config(task="ner"))
        tokens, words = [np.arange(5)], [np.array([1, 3])]
        examples = Examples({"tokens": tokens, "words": words}, {"tokens": 0, "words": -1})
        weights = [np.array([[0, 0.1, 0.2, 0.7, 0], [0, 0.5, 0, 0.5, 0]])]
        (found,) = task.look([{"tokens": ["a", "b"]}], (examples, [(0, 0, 2)]), weights)
        np.testing.assert_allclose(found, [[0.3, 0.7], [0.5, 0.5]], rtol=1e-6)

    def test_the_dictionary_knows_the_entities_of_training(self):
        task = tasks.of(Config(task="ner"))
        rows = [{"tokens": ["a", "b"], "tags": ["B-x", "O"]}]
        other = [{"tokens": ["b", "c"], "tags": ["O", "B-x"]}]
        assert task.baseline(rows, rows) == {"dictionary_span_f1": 1}
        assert task.baseline(rows, other) == {"dictionary_span_f1": 0}
        assert task.has_baseline and not tasks.of(Config()).has_baseline


class TestAnswers:
    row = {"context": "Ann is in Rome.", "question": "Where is she?"}  # noqa: RUF012

    def test_the_best_span_is_the_answer(self):
        task = tasks.of(Config(task="qa", max_answer=4))
        tokenizer = BytePairs.train([self.row["context"]], 257)
        encoded = task.encode([self.row], tokenizer, [])
        examples, windows = encoded
        spans, at = windows.context_offsets(0).tolist(), windows.context_starts[0]
        logits = np.zeros((examples.lengths[0], 2), "float32")
        logits[at + spans.index([10, 11]), 0] = 3.0
        logits[at + spans.index([13, 14]), 1] = 3.0
        logits[0] = 0.5
        (found,) = read(task, [self.row], encoded, [logits])
        assert (found.answer, found.start, found.end, found.score) == ("Rome", 10, 14, 5.0)
        assert found.found == {"answer": "Rome", "start": 10, "end": 14, "score": 5.0}
        assert found.line == "Rome"

    def test_a_map_has_the_answer_in_brackets(self):
        task = tasks.of(Config(task="qa"))
        row = {**self.row, "answers": [{"text": "Rome"}, {"text": "Rome"}, {"text": "in Rome"}]}
        fields = {"answer": "in Rome", "start": 7, "end": 14, "score": 1.0}
        reading = task.READING(row=row, look=lambda: None, **fields)
        tokenizer = BytePairs.train([self.row["context"]], 257)
        sizes = [len(tokenizer.encode(row[name])[0]) for name in ("context", "question")]
        shown = task.map(reading, np.full(sizes, 1 / sizes[1], "float32"), tokenizer)
        assert list(shown.map.words) == ["Ann", "is", "[in", "Rome.]"]
        assert shown.source_words == ("Where", "is", "she?")
        assert (shown.text, shown.reference) == ("in Rome", "Rome / in Rome")
        np.testing.assert_allclose(shown.weights.sum(-1), 1, atol=1e-5)

    def test_an_answer_of_several_lines_is_printed_in_one(self):
        task = tasks.of(Config(task="qa"))
        fields = {"answer": "in\nRome", "start": 7, "end": 14, "score": None}
        reading = task.READING(row=self.row, look=lambda: None, **fields)
        assert (reading.line, reading.found["score"]) == ("in Rome", None)
