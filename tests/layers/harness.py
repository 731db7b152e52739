"""The one harness of attention mechanisms: every promise of the call contract, as one small test.

A mechanism registers itself as one `Mechanism` in `test_mechanisms.py`, and `Promises` does the
rest.
"""

from tests.layers.promises.empty_rows import EmptyRows
from tests.layers.promises.masks import Masks
from tests.layers.promises.numbers import Numbers
from tests.layers.promises.shapes import Shapes
from tests.layers.promises.state import State
from tests.layers.promises.training import Training


class Promises(Numbers, EmptyRows, Masks, Shapes, State, Training):
    """Every promise of an attention layer; each test's name says which."""
