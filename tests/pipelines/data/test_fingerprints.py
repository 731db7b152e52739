import numpy as np

from pipelines.data.fingerprints import fingerprint, fingerprints, groups


def test_equal_values_have_equal_numbers():
    values = ["a", "b", ("a", 1), "a", ("a", "1"), 1, "1", "\ud800"]
    numbers = fingerprints(iter(values))
    assert numbers.dtype == np.uint64 and len(set(numbers.tolist())) == 7
    assert numbers[0] == numbers[3] == fingerprint("'a'")


def test_groups_are_numbered_as_they_come_up():
    assert groups(np.array([9, 3, 9, 7, 3, 9], "uint64")).tolist() == [0, 1, 0, 2, 1, 0]
    assert groups(np.array([], "uint64")).tolist() == []
