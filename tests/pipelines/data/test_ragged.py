import numpy as np
import pytest

from pipelines.data.ragged import Padded, Ragged, take

ARRAYS = [list(range(n % 5)) for n in range(23)]


def test_arrays_come_back():
    kept = Ragged(ARRAYS[:7])
    kept.extend([np.array(each, "int64") for each in ARRAYS[7:]])
    kept.extend([])
    assert len(kept) == 23 and kept.dtype == "int32"
    assert [each.tolist() for each in kept] == ARRAYS
    assert kept.lengths.tolist() == [n % 5 for n in range(23)]
    assert [each.tolist() for each in take(kept, [9, 3])] == [ARRAYS[9], ARRAYS[3]]
    assert kept[-1].tolist() == ARRAYS[-1] and kept[4].dtype == "int32"
    with pytest.raises(IndexError):
        kept[23]


@pytest.mark.parametrize("of", [Ragged, lambda arrays: [np.array(a, "int32") for a in arrays]])
def test_padded_rows(of):
    padded = Padded(of(ARRAYS), np.array([4, 8, 22, 0]), length=6, fill=-1)
    whole = [[0, 1, 2, 3, -1, -1], [0, 1, 2, -1, -1, -1], [0, 1, -1, -1, -1, -1], [-1] * 6]
    assert padded.shape == (4, 6) and padded.ndim == 2 and padded.dtype == "int32"
    np.testing.assert_array_equal(np.asarray(padded), whole)
    np.testing.assert_array_equal(padded[np.array([2, 0])], [whole[2], whole[0]])
    np.testing.assert_array_equal(padded[1:3], whole[1:3])


def test_numbers_of_another_type():
    labels = Ragged([[0.5, 1.0]], dtype="float32")
    assert labels[0].tolist() == [0.5, 1.0] and labels[0].dtype == "float32"
    assert Padded(labels, np.array([0]), 3, 0)[:].tolist() == [[0.5, 1.0, 0.0]]
