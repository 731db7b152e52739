"""Who takes part: every mechanism of `layers`, and what Keras and PyTorch offer in its place.

A contender is self-attention of one sequence, `x` to `(1, T, dim)`. Those of one family do the same
work, so that the ratio to the family's references says something.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.sizes import ADDITIVE_DIM, DIM, HEADS, WINDOW

# family: Keras's own, PyTorch's.
REFERENCES = {
    "multi_head": ("keras MultiHeadAttention", "torch SDPA"),
    "causal": ("keras MultiHeadAttention causal", "torch SDPA causal"),
    "luong": ("keras Attention", "torch dot product"),
    "additive": ("keras AdditiveAttention", "torch Bahdanau"),
}

# Arrays of the size of the weights that are alive at once: scores and weights; their gradients too.
COPIES = {"forward": 2, "training": 4}

_ADDITIVE = ("additive", "luong_concat")  # Of hidden units for each pair of a query and a key.
_OPTIONS = {"local": {"window": WINDOW}}
_CAUSAL = ("multi_head", "linear", "local")


@dataclass(frozen=True)
class Contender:
    """One row of the tables.

    Attributes:
        name: What it is called, on the command line too.
        family: A key of `REFERENCES`.
        build: Makes its layers and returns the function of `x`: on Keras tensors, or, with
            `framework` "torch", a PyTorch module.
        per_pair: Numbers it holds for each pair of a query and a key.
        framework: "keras", which runs on the chosen backend, or "torch".
    """

    name: str
    family: str
    build: Callable
    per_pair: int = 0
    framework: str = "keras"

    @property
    def dim(self):
        return ADDITIVE_DIM if self.family == "additive" else DIM

    def estimate(self, length, mode):
        """Bytes of its largest arrays: float32, `T * T * per_pair` numbers, `COPIES` times."""
        return 4 * length**2 * self.per_pair * COPIES[mode]


def contenders():
    """All of them by name, the mechanisms first. Imports Keras, and no PyTorch."""
    from layers import registry

    known = registry.MECHANISMS
    names = [name for name in known if not known[name].sees_earlier_weights]
    ours = [_ours(name, False) for name in names]
    ours += [_ours(name, True) for name in _CAUSAL if name in names]
    return {contender.name: contender for contender in ours + _references()}


def find(name):
    """The contender of that name, without Keras in the process of one that needs none."""
    for contender in _references():
        if contender.name == name:
            return contender
    return contenders()[name]


def _references():
    def keras(name, family, build, per_pair):
        return Contender(f"keras {name}", family, build, per_pair)

    def torch(name, family, build, per_pair=0):
        return Contender(f"torch {name}", family, build, per_pair, "torch")

    return [
        keras("MultiHeadAttention", "multi_head", _keras_multi_head, HEADS),
        keras("MultiHeadAttention causal", "causal", lambda: _keras_multi_head(True), HEADS),
        keras("Attention", "luong", _keras_attention, 1),
        keras("AdditiveAttention", "additive", _keras_additive, ADDITIVE_DIM),
        torch("SDPA", "multi_head", _torch("Projected")),
        torch("SDPA causal", "causal", _torch("Projected", True)),
        torch("MultiheadAttention", "multi_head", _torch("MultiHead")),
        torch("dot product", "luong", _torch("DotProduct")),
        torch("Bahdanau", "additive", _torch("Bahdanau"), ADDITIVE_DIM),
    ]


def _ours(name, causal):
    import layers
    from layers.registry import MECHANISMS

    single_head = MECHANISMS[name].single_head
    if causal:
        family = "causal"
    elif single_head:
        family = "additive" if name in _ADDITIVE else "luong"
    else:
        family = "multi_head"
    dim = ADDITIVE_DIM if family == "additive" else DIM

    def build():
        layer = layers.get(name, dim=dim, num_heads=HEADS, **_OPTIONS.get(name, {}))
        return lambda x: layer(x, x, use_causal_mask=causal)

    label = f"{name} causal" if causal else name
    # Mechanisms with heads compute in chunks what would take a number for each pair.
    return Contender(label, family, build, per_pair=int(single_head))


def _keras_multi_head(causal=False):
    import keras

    layer = keras.layers.MultiHeadAttention(HEADS, DIM // HEADS)
    return lambda x: layer(x, x, use_causal_mask=causal)


def _keras_attention():
    import keras

    layer = keras.layers.Attention()
    return lambda x: layer([x, x])


def _keras_additive():
    """With the two projections of the paper, which Keras's layer leaves out."""
    import keras

    query, key = (keras.layers.Dense(ADDITIVE_DIM) for _ in range(2))
    layer = keras.layers.AdditiveAttention()
    return lambda x: layer([query(x), x, key(x)])


def _torch(name, *arguments):
    def build():
        from benchmarks import torch_references

        return getattr(torch_references, name)(*arguments)

    return build
