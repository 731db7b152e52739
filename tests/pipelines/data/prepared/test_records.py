import numpy as np
import pytest
import tensorflow as tf

from pipelines.data.prepared.records import ROW, Kind, decode, encode

PICTURE = np.arange(2 * 3 * 5, dtype="uint8").reshape(2, 3, 5)


def test_an_example_is_a_tf_train_example_that_others_can_read():
    record = encode({"picture": PICTURE, "tokens": np.array([7, -1], "int32")}, {"text": "é"})
    features = tf.train.Example.FromString(record).features.feature
    assert set(features) == {"picture", "tokens", ROW}
    assert features["tokens"].bytes_list.value[0] == b"\x07\0\0\0\xff\xff\xff\xff"
    assert decode(record, ROW).decode() == '{"text": "é"}'
    np.testing.assert_array_equal(Kind.of(PICTURE).parse(decode(record, "picture")), PICTURE)


def test_what_is_not_there_is_told():
    with pytest.raises(ValueError, match="a record has no 'mel'"):
        decode(encode({}), "mel")


def test_kinds_of_several_arrays_are_one_kind():
    one, other = Kind.of(np.zeros((3, 7), "float16")), Kind.of(np.zeros((5, 7), "float16"))
    assert one.joined(one) == Kind("float16", (3, 7))
    both = one.joined(other)
    assert both == Kind("float16", (None, 7))
    assert both.parse(bytes(2 * 7 * 11)).shape == (11, 7)
    with pytest.raises(ValueError, match="differ"):
        one.joined(Kind.of(np.zeros((3, 5), "float16")))


@pytest.mark.parametrize(
    "value",
    [
        ["object", [3]],
        ["int32", 3],
        ["int32", [3, None]],
        ["int32", [True]],
        ["int32", [-1]],
        ["int32", [1 << 40]],
        ["int32", [1 << 20, 1 << 20]],
        ["int32", [1, 1, 1, 1, 1]],
        ["int32"],
    ],
)
def test_a_stranger_may_not_describe_what_no_memory_holds(value):
    with pytest.raises((ValueError, TypeError)):
        Kind.load(value)


def test_bytes_of_another_length_are_refused():
    with pytest.raises(ValueError, match="29 bytes are no uint8"):
        Kind.of(PICTURE).parse(bytes(29))
    with pytest.raises(ValueError, match="9 bytes"):
        Kind("int32", (None, 2)).parse(bytes(9))
