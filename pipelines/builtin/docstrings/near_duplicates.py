"""Near-duplicate texts, found by MinHash, so that they can be kept in one split."""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

SHINGLE_WORDS = 3
HASHES, BAND = 64, 4
PRIME = (1 << 31) - 1


def similar_pairs(texts: Sequence[str], threshold: float = 0.5) -> Iterator[tuple[int, int]]:
    """Finds texts that share most of their shingles, the runs of three words.

    Candidates come from MinHash (Broder, 1997) with banding, in time that grows with the number of
    texts: 64 hashes in bands of 4 find 98 % of the pairs with a similarity of 0.7, 64 % of those
    with 0.5. The similarity of a candidate is then computed exactly, so no pair is found by chance.

    Args:
        texts: `(M,)`; case and punctuation do not count.
        threshold: The least Jaccard similarity of the two sets of shingles.

    Yields:
        Positions `(i, j)`, i < j, each pair once.
    """
    shingles = [_shingles(text) for text in texts]
    signatures = _signatures(shingles)
    found = set()
    for start in range(0, HASHES, BAND):
        buckets = defaultdict(list)
        for j, band in enumerate(signatures[:, start : start + BAND]):
            bucket = buckets[band.tobytes()]
            for i in bucket:
                if (i, j) not in found and _similarity(shingles[i], shingles[j]) >= threshold:
                    found.add((i, j))
                    yield i, j
            bucket.append(j)


def equal_pairs(keys: Iterable) -> Iterator[tuple[int, int]]:
    """Yields positions `(i, j)`, i < j, of equal keys, each with the first of its kind."""
    first = {}
    for j, key in enumerate(keys):
        if (i := first.setdefault(key, j)) != j:
            yield i, j


def groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Joins what hangs together by any chain of pairs.

    Args:
        count: The number of things, M.
        pairs: Positions of two that belong together.

    Returns:
        The groups, ascending lists that hold every position from 0 to M - 1 once, in the order of
        their first ones.
    """
    parents = list(range(count))

    def root(i):
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    for i, j in pairs:
        one, other = sorted((root(i), root(j)))
        parents[other] = one
    members = defaultdict(list)
    for i in range(count):
        members[root(i)].append(i)
    return list(members.values())


def _shingles(text: str) -> frozenset[int]:
    words = re.findall(r"\w+", text.casefold())
    last = max(len(words) - SHINGLE_WORDS, 0)
    runs = (" ".join(words[i : i + SHINGLE_WORDS]) for i in range(last + 1))
    return frozenset(zlib.crc32(run.encode()) % PRIME for run in runs)


def _signatures(shingles: Sequence[frozenset[int]]) -> np.ndarray:
    """Returns `(M, HASHES)`, the least value of each hash function over a text's shingles."""
    factors, offsets = np.random.default_rng(0).integers(1, PRIME, (2, HASHES), dtype="uint64")
    signatures = np.empty((len(shingles), HASHES), "uint32")
    for signature, values in zip(signatures, shingles, strict=True):
        column = np.fromiter(values, "uint64")[:, None]
        signature[:] = ((column * factors + offsets) % PRIME).min(axis=0)
    return signatures


def _similarity(one: frozenset, other: frozenset) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)
