"""Entities by looking them up among those of training: what a model has to beat."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from pipelines.span_scores import spans


class EntityDictionary:
    """The entities of training sentences, each with the type that it mostly has.

    Args:
        rows: Sentences with `tokens` and `tags`.
    """

    def __init__(self, rows: Iterable[dict]):
        types = defaultdict(Counter)
        for row in rows:
            for name, start, end in spans(row["tags"]):
                types[tuple(row["tokens"][start:end])][name] += 1
        self._types = {entity: counts.most_common(1)[0][0] for entity, counts in types.items()}
        self._longest = max(map(len, self._types), default=0)

    def tag(self, tokens: Sequence[str]) -> list[str]:
        """The tags of a sentence: from left to right, the longest entity that is known."""
        tags, start = ["O"] * len(tokens), 0
        while start < len(tokens):
            for end in range(min(start + self._longest, len(tokens)), start, -1):
                name = self._types.get(tuple(tokens[start:end]))
                if name is not None:
                    tags[start:end] = [f"B-{name}", *[f"I-{name}"] * (end - start - 1)]
                    break
            else:
                end = start + 1
            start = end
        return tags
