import pytest

from pipelines.builtin.docstrings import prose

GOOGLE = """Adds two `Tensor`s.

    The result is a [tensor](https://example.org) of
    the **same** shape as :class:`~module.Tensor` *x* [1]_, e.g. a vector. It is new.

    >>> add(1, 2)
    3

    ```python
    add(3, 4)
    ```

    Args:
        x: The first
            of them.
        *more (list of int): All the others,
        and then some.

    Returns:
        The sum

    Raises:
        ValueError: Something is wrong.

    For example::

        add(5, 6)

    - One item
    2. Another item
    """

NUMPYDOC = """Adds.

    Parameters
    ----------
    x, y : array_like of shape (n,)
        The two numbers
    axis : int

    Returns
    -------
    out : ndarray
        The sum of both.

    See Also
    --------
    subtract : The other.

    .. math:: x + y

    Notes
    -----
    .. versionadded:: 2

    ===== =====
    a     b
    ===== =====

    No overflow is seen.
    """

SPHINX = """Adds. Quickly.
    And well.

    :param x: the first
        number
    :param int y: the second
    :type y: int
    :returns: the sum
    :raises ValueError: never
    """


def test_the_description_without_code_markup_and_sections():
    assert prose.split(GOOGLE, 3, 99) == (
        "Adds two Tensors.",
        "The result is a tensor of the same shape as module.Tensor x, e.g. a vector. It is new. "
        "For example: One item. Another item.",
    )


def test_sections_fill_up_a_short_description():
    _, rest = prose.split(GOOGLE, 50, 99)
    assert rest.endswith(
        "Another item. x: The first of them. *more: All the others, and then some. The sum."
    )


@pytest.mark.parametrize(
    ("docstring", "rest"),
    [
        (NUMPYDOC, "x, y: The two numbers. out: The sum of both. No overflow is seen."),
        (SPHINX, "Quickly. And well. the first number. the second. the sum."),
    ],
)
def test_other_styles(docstring, rest):
    assert prose.split(docstring, 9, 99) == ("Adds.", rest)


def test_what_does_not_fit_is_cut_after_a_sentence_or_else_within_one():
    docstring = "Sum.\n\nOne two three. Four five. Six seven eight nine."
    rests = [prose.split(docstring, 4, most)[1] for most in (4, 5, 8, 9)]
    assert rests == [
        "One two three. Four",
        "One two three. Four five.",
        "One two three. Four five.",
        "One two three. Four five. Six seven eight nine.",
    ]


@pytest.mark.parametrize("docstring", ["", "\n\n", " "])
def test_nothing(docstring):
    assert prose.split(docstring, 3, 9) == ("", "")


def test_sentences():
    text = 'Uses pi, i.e. 3.14, vs. e. Is it "exact?" No! The end'
    assert prose.sentences(text) == [
        'Uses pi, i.e. 3.14, vs. e. Is it "exact?"',
        "No!",
        "The end",
    ]
