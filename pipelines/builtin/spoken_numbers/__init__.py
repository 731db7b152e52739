"""The built-in speech data set: phrases full of numbers, spoken by eSpeak NG."""

from .dataset import VERSION, write

__all__ = ["VERSION", "write"]
