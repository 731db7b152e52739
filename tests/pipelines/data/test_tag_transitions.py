import itertools

import pytest

from pipelines.data import tag_transitions, tags

NAMES = ["O", "B-a", "B-ab", "I-a", "I-ab", "I-c"]


def legal(path):
    """Whether no tag has to be read as another to be BIO."""
    (row,) = tags.to_bio([{"tags": list(path)}], "path")
    return row["tags"] == list(path)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_what_is_allowed_is_bio(length):
    transitions, starts = tag_transitions.allowed(NAMES)
    assert (transitions.shape, starts.shape) == ((6, 6), (6,))
    for path in itertools.product(range(6), repeat=length):
        found = starts[path[0]] and all(transitions[pair] for pair in itertools.pairwise(path))
        names = [NAMES[i] for i in path]
        # A type without a B- of its own cannot begin, but can follow itself.
        assert bool(found) == legal(names), names
