"""The attention mechanisms that the flags of applications take, read from the table of `layers`.

The table is loaded by its path: to import the package `layers` is to import Keras, which `--help`
does not wait for.
"""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[2] / "layers" / "registry.py"
_SPEC = importlib.util.spec_from_file_location("mechanisms_of_layers", _PATH)
_REGISTRY = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_REGISTRY)
# What sees earlier weights goes query by query: an application that has use for that says so.
_TABLE = [known for known in _REGISTRY.MECHANISMS.values() if not known.sees_earlier_weights]

MECHANISMS = tuple(known.name for known in _TABLE)
SINGLE_HEAD = tuple(known.name for known in _TABLE if known.single_head)
"""What a recurrent decoder can use."""
SELF_ATTENTION_ONLY = tuple(known.name for known in _TABLE if known.self_attention_only)
"""What no decoder can look at a source with."""
TAKING_POSITION = tuple(known.name for known in _TABLE if known.takes_position)
"""The multi-head family, whose scores can depend on distances."""
meant = _REGISTRY.meant
"""Which of some names is another spelling of one, or another name that the field has for it."""
