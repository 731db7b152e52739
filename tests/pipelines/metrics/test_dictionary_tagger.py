import pytest

from pipelines.metrics.dictionary_tagger import DictionaryTagger


def rows(*sentences):
    """Rows of sentences written as "word/TAG word"."""
    pairs = [[word.partition("/")[::2] for word in text.split()] for text in sentences]
    return [
        {"tokens": [word for word, _ in row], "tags": [tag or "O" for _, tag in row]}
        for row in pairs
    ]


@pytest.fixture
def tagger():
    return DictionaryTagger(
        rows(
            "New/B-LOC York/I-LOC is big",
            "York/B-LOC and York/B-PER and York/B-PER",
            "New/B-LOC York/I-LOC Times/I-LOC . New/B-ORG York/I-ORG Times/I-ORG",
            "may/B-PER may or may not",
            "Will/B-PER will , Will",
        )
    )


@pytest.mark.parametrize(
    ("sentence", "tags"),
    [
        ("in New York today", "O B-LOC I-LOC O"),
        ("York New York York", "B-PER B-LOC I-LOC B-PER"),
        # Of two types as frequent the first by name, of two entries the longest.
        ("New York Times", "B-LOC I-LOC I-LOC"),
        # More often outside than inside of entities, and as often.
        ("may Will will", "O B-PER O"),
        ("Nobody knows", "O O"),
        ("", ""),
    ],
)
def test_entities_by_heart(tagger, sentence, tags):
    assert tagger.tag(sentence.split()) == tags.split()


def test_without_entities_there_are_none():
    assert DictionaryTagger(rows("a b")).tag(["a", "b"]) == ["O", "O"]
    assert DictionaryTagger([]).tag(["a"]) == ["O"]
