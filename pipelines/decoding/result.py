"""What a trained model answers, and the attention map behind it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Alternative(NamedTuple):
    """Another answer than the best: a text or a label, and its score."""

    text: str
    score: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """An answer of a trained model.

    Attributes:
        score: How sure the model is; what it means depends on the application.
        alternatives: Other answers, the best first.
        look: Makes the attention map.
    """

    score: float
    alternatives: tuple[Alternative, ...] = ()
    look: Callable[[], Any] = field(repr=False)

    @functools.cached_property
    def attention(self):
        """The attention map, made when it is first asked for.

        `weights` and `axes` are its arrays; `save("map.png")`, `.html` or `.npz` writes it.
        """
        return self.look()
