"""The built-in summarization data set: the first sentence of a docstring, from the rest of it."""

from .dataset import VERSION, write

__all__ = ["VERSION", "write"]
