"""The built-in understanding data sets: sentiment, named entities, and question answering.

All three are English text made on the spot, with known labels: opinions, requests with slots, and
questions on paragraphs. Their names are made up, and those of a split stand in no other.
"""

from .opinions import write_sentiment
from .paragraphs import write_qa
from .requests import write_ner

VERSION = "1"  # to be raised with every change of the lines, the split or the layout
WRITERS = {"sentiment": write_sentiment, "ner": write_ner, "qa": write_qa}

__all__ = ["VERSION", "WRITERS", "write_ner", "write_qa", "write_sentiment"]
