"""The built-in captioning data set: pictures of simple objects, each with five captions.

The objects of every picture are known, so that a caption can be judged claim by claim, and an
attention map by whether it points to the object that a word names.
"""

from .dataset import VERSION, write
from .pointing import score_objects
from .verdict import Claim, Verdict, judge

__all__ = ["VERSION", "Claim", "Verdict", "judge", "score_objects", "write"]
