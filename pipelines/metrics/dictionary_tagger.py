"""The dictionary baseline of named entity recognition: entities of the training split, by heart."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pipelines.metrics.span_scores import spans


class DictionaryTagger:
    """Tags what was an entity in training as what it mostly was there.

    Word sequences that training has more often outside of entities are left alone. The longest
    entry wins, from the left, as in the baseline of CoNLL-2003 (Tjong Kim Sang and De Meulder).

    Args:
        rows: Sentences of the training split, with `tokens` and `tags`, in BIO.
    """

    def __init__(self, rows: Sequence[dict]):
        types = defaultdict(Counter)
        for row in rows:
            for name, start, end in spans(row["tags"]):
                types[tuple(row["tokens"][start:end])][name] += 1
        self._longest = max(map(len, types), default=0)
        outside = Counter(
            words
            for row in rows
            for start, words in self._sequences(row["tokens"])
            if words in types and set(row["tags"][start : start + len(words)]) == {"O"}
        )
        self._types = {}
        for words, counts in types.items():
            name, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
            if count >= outside[words]:
                self._types[words] = name

    def tag(self, tokens: Sequence[str]) -> list[str]:
        """Tags of a sentence, in BIO."""
        tags = ["O"] * len(tokens)
        free = 0
        for start, words in self._sequences(tokens):
            if start >= free and words in self._types:
                free = start + len(words)
                name = self._types[words]
                tags[start:free] = [f"B-{name}"] + [f"I-{name}"] * (len(words) - 1)
        return tags

    def _sequences(self, tokens: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """All word sequences that could be entries, and where they start; the longest first."""
        for start in range(len(tokens)):
            for length in range(min(self._longest, len(tokens) - start), 0, -1):
                yield start, tuple(tokens[start : start + length])
