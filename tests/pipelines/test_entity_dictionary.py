from pipelines.entity_dictionary import EntityDictionary

ROWS = [
    {"tokens": ["New", "York", "wins"], "tags": ["B-team", "I-team", "O"]},
    {"tokens": ["in", "New", "York"], "tags": ["O", "B-city", "I-city"]},
    {"tokens": ["to", "New", "York"], "tags": ["O", "B-city", "I-city"]},
    {"tokens": ["York", "Ann"], "tags": ["B-city", "B-person"]},
]


def test_the_longest_entity_with_its_most_frequent_type():
    tags = EntityDictionary(ROWS).tag(["Ann", "left", "New", "York", "York", "new"])
    assert tags == ["B-person", "O", "B-city", "I-city", "B-city", "O"]


def test_without_entities_there_is_nothing_to_find():
    assert EntityDictionary([{"tokens": ["a"], "tags": ["O"]}]).tag(["a", "b"]) == ["O", "O"]
    assert EntityDictionary(ROWS).tag([]) == []
