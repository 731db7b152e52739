import numpy as np
import pytest

from pipelines.data.annotations import literals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, null, "array(3)"]}', {"a": [1, None, "array(3)"]}),
        ("{'a': ['x', \"it's\"], 'b': -1.5}", {"a": ["x", "it's"], "b": -1.5}),
        (repr({"t": np.array(["Oslo, (x)"], dtype=object), "s": np.array([13])}),
         {"t": ["Oslo, (x)"], "s": [13]}),
        ("np.array([np.int64(3), nan])", [3, None]),
        ("((0, 9, 'PER'),)", [[0, 9, "PER"]]),
        (str(np.array(["O", "B-PER"])), ["O", "B-PER"]),
        ("[0 -1 2]", [0, -1, 2]),
        ("[]", []),
        (r"['\d+', 'b']", [r"\d+", "b"]),
    ],
)  # fmt: skip
def test_what_stands_in_a_cell(text, value):
    assert literals.parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "Oslo",
        "[citation needed]",
        "__import__('os')",
        "[open('a'), 1]",
        "[x for x in 'ab', 1]",
        "f(1)",
        "",
        "(" * 9_999,
    ],
)
def test_nothing_is_run(text):
    with pytest.raises(ValueError):
        literals.parse(text)
    assert literals.parse_or_text(text) == text
