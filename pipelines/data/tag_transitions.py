"""Which BIO tag may follow which, for a decoder that gives no others."""

from collections.abc import Sequence

import numpy as np


def allowed(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Says which paths through the tags are BIO: I- goes on with an entity of its own type.

    Args:
        names: The tags in the order of their numbers, K of them.

    Returns:
        Boolean: `(K, K)`, whether the tag of the column may follow that of the row, and `(K,)`,
        whether a sentence may start with the tag.
    """
    types = np.array([name[2:] for name in names])
    begins = np.array([not name.startswith("I-") for name in names], "bool")
    within = np.array([name != "O" for name in names], "bool")
    return begins[None] | ((types[:, None] == types[None]) & within[:, None]), begins
