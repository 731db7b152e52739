"""Made-up names, of which each split of a data set has its own."""

import random
import zlib

ONSETS = (
    *("b", "br", "c", "cl", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pr"),
    *("r", "s", "st", "t", "tr", "v", "w", "z"),
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "oo")
CODAS = ("l", "n", "r", "s", "m", "k", "rd", "lt", "nd", "x")
SPLITS = ("validation", "test", "train")  # the last takes what the others leave
POOLS = {"train": 16_000, "validation": 1_500, "test": 3_000}
SKEW = 2


class Names:
    """Draws from the names of one split.

    A name is two or three syllables, which all splits share. A hash tells the split of a name.
    As in any text, some names are frequent and many rare: the density of the one at place r of the
    pool is about 1/sqrt(r).

    Args:
        split: "train", "validation" or "test".
        rng: Draws the pool, and the names from it.
    """

    def __init__(self, split: str, rng: random.Random):
        self._rng = rng
        pool = {}
        while len(pool) < POOLS[split]:
            name = self._made()
            if split_of(name) == split:
                pool[name] = None
        self._pool = list(pool)

    def draw(self) -> str:
        """Returns a name."""
        return self._pool[int(len(self._pool) * self._rng.random() ** SKEW)]

    def draw_some(self, count: int) -> list[str]:
        """Returns different names."""
        names = {}
        while len(names) < count:
            names[self.draw()] = None
        return list(names)

    def _made(self) -> str:
        choose = self._rng.choice
        open_syllables = range(choose((1, 1, 2)))
        start = "".join(choose(ONSETS) + choose(VOWELS) for _ in open_syllables)
        return (start + choose(ONSETS) + choose(VOWELS) + choose(CODAS)).capitalize()


def split_of(name: str) -> str:
    """Returns the split whose lines may have a name: two tenths are for each held-out one."""
    return SPLITS[min(zlib.crc32(name.encode()) % 10 // 2, 2)]
