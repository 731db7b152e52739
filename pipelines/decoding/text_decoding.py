"""Batched decoding of encoded texts of differing lengths, in batches of few shapes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.commands.cluster import processes
from pipelines.commands.terminal import progress_bar
from pipelines.data.buckets import padded_length
from pipelines.text.tokenizer import END, pad


@dataclass(frozen=True)
class Decoded:
    """The decoded sequence of one source.

    Attributes:
        tokens: `(T,)`, the end included unless the sequence was cut at its longest length.
        weights: `(T, S)`, the attention weights over the ids of the source; columns that a model
            adds after those of the source follow. `None` if they were not asked for.
        score: The score of the sequence in the search.
        alternatives: Tokens and score of further candidates, best first, as far as the generator
            returns them.
    """

    tokens: np.ndarray
    weights: np.ndarray | None
    score: float
    alternatives: tuple[tuple[np.ndarray, float], ...] = ()


def decode(
    generator,
    sources: Sequence[Sequence[int]],
    batch_size: int = 32,
    weights: bool = True,
    description: str = "decoding",
) -> list[Decoded]:
    """Decodes texts, the longest first, and shows the progress on a terminal.

    A source without content is decoded to nothing, and the model does not see it.

    Args:
        generator: A `decoding.generator.Generator` whose model takes `(B, S)` ids, padded with 0.
        sources: Lists of ids, each with its end.
        batch_size: Sources decoded at once. A last batch is filled up, so that its size is no new
            shape for which a backend compiles anew.
        weights: Whether to keep the weights, four bytes for each pair of a target's and its
            source's tokens.
        description: What the progress bar says.

    Returns:
        A `Decoded` for each source, in their order.
    """
    results = [_nothing(len(source), weights) for source in sources]
    order = [row for row, source in enumerate(sources) if set(source) - {END}]
    order.sort(key=lambda row: len(sources[row]), reverse=True)
    batch_size = max(min(batch_size, len(order)), 1)
    longest = len(sources[order[0]]) if order else 0

    def decode_rows(chosen):
        found = []
        with progress_bar(steps=-(-len(chosen) // batch_size)) as progress:
            task = progress.add_task(description, total=len(chosen))
            for start in range(0, len(chosen), batch_size):
                rows = chosen[start : start + batch_size]
                # A model may have no positions beyond the longest source.
                length = min(padded_length(len(sources[rows[0]])), longest)
                filled = rows + rows[-1:] * (batch_size - len(rows))
                decoded = generator.predict_on_batch(pad([sources[row] for row in filled], length))
                for i, row in enumerate(rows):
                    outputs = {name: values[i] for name, values in decoded.items()}
                    found.append(_cut(outputs, len(sources[row]), length, weights))
                progress.advance(task, len(rows))
        return found

    for row, decoded in zip(order, processes.divide(decode_rows, order), strict=True):
        results[row] = decoded
    return results


def _nothing(source_length, keep_weights) -> Decoded:
    weights = np.zeros((0, source_length), "float32") if keep_weights else None
    return Decoded(np.zeros(0, "int32"), weights, 0.0)


def _cut(found, source_length, padded, keep_weights) -> Decoded:
    """One decoded sequence without its padding, and without that of its source."""
    tokens = _to_end(found["tokens"])
    weights = None
    if keep_weights:
        weights = found["weights"][: len(tokens)]
        weights = np.concatenate([weights[:, :source_length], weights[:, padded:]], axis=1)
    others = zip(found.get("alternatives", ()), found.get("alternative_scores", ()), strict=True)
    alternatives = tuple((_to_end(row), float(score)) for row, score in others if score > -np.inf)
    return Decoded(tokens, weights, float(found["score"]), alternatives)


def _to_end(tokens) -> np.ndarray:
    ends = np.flatnonzero(tokens == END)
    return tokens[: ends[0] + 1 if len(ends) else len(tokens)].copy()
