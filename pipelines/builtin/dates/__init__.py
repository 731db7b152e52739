"""The built-in translation data set: dates as people write them, to ISO 8601."""

from .dataset import LOCALES, VERSION, write

__all__ = ["LOCALES", "VERSION", "write"]
