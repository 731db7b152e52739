"""The built-in captioning data set: images of simple objects, each with five captions.

The objects of every image are known, so that a caption can be judged claim by claim, and an
attention map by whether it points to the object that a word names: `score_objects`.
"""

from .dataset import VERSION, write
from .pointing import score_objects
from .verdict import Claim, Verdict, judge

__all__ = ["VERSION", "Claim", "Verdict", "judge", "score_objects", "write"]
