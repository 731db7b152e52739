"""Sizes that all contenders have in common."""

HEADS = 8
DIM = 512
ADDITIVE_DIM = 256  # Of inputs and hidden units: additive scores hold T x T x units numbers.
WINDOW = 128
