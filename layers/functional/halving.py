"""What a convolution that halves a sequence needs at both ends."""

from keras import ops

from .sizes import is_expression


def halved(length):
    """What is left of a length."""
    return (length + 1) // 2


def pad_ends(x):
    """`(B, F, ...)` with a zero before and after, for a kernel of 3 and a stride of 2.

    "same" puts its zeros elsewhere for even and for odd lengths. Of an even length the convolution
    does not see the last zero, and JAX has no gradient beside it where the length is an expression.
    """
    length = ops.shape(x)[1]
    after = 2 * halved(length) - length if is_expression(length) else 1
    return ops.pad(x, [(0, 0), (1, after), *[(0, 0)] * (len(x.shape) - 2)])
