"""Texts that a model generates from texts, each with its attention map."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pipelines.commands.terminal import answer, note
from pipelines.data.rows import chunks
from pipelines.decoding import text_decoding
from pipelines.decoding.generator_cache import Generators
from pipelines.decoding.result import Alternative, Result
from pipelines.text.tokenizer import cut

AT_ONCE = 4096  # rows of an evaluation


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneratedText(Result):
    """A text that was generated from another.

    Attributes:
        source: The source text.
        text: The generated text.
        score: The log-probability, normalized by the length penalty, that it was ranked by.
        truncated: Whether the source was longer than the model takes, and was truncated.
        tokens: `(T,)`, the generated ids, the end included unless they reach the maximum length.
        weights: `(T, S)`, the attention of each token over the ids of the source.
        copied: `(T,)`, the probability that each token was copied from the source; `None` if the
            model does not copy.
    """

    source: str
    text: str
    truncated: bool
    tokens: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    copied: np.ndarray | None = field(repr=False)


class TextGenerator:
    """A model from text to text with its tokenizer.

    Args:
        model: A model as `pipelines.decoding.generator.Generator` takes it.
        tokenizer: Its tokenizer; the id of unknown words, where it has one, is never generated.
        config: How to encode and, by default, to decode: a
            `pipelines.commands.text_to_text.Config`.

    Attributes:
        align: Makes the attention map of a text: `pipelines.maps.alignments.align`, or a partial of
            it.
    """

    align: Callable

    def __init__(self, model, tokenizer, config):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        forbidden = () if tokenizer.unknown is None else (tokenizer.unknown,)
        self._generators = Generators(model, forbidden=forbidden)

    def save_preprocessing(self, folder):
        """Writes what a run needs besides the model."""
        self.tokenizer.save(folder)

    def generate(self, sources, references=None, alternatives=None, **decoding):
        """Generates a text from each source.

        Args:
            sources: Texts.
            references: For each source what its text should be, to be shown with the map.
            alternatives: How many further outputs of beam search each result has; by default all
                of the beam.
            **decoding: Fields of the configuration to replace.

        Returns:
            A `GeneratedText` for each source; of one without content it is empty.
        """
        config = dataclasses.replace(self.config, **decoding)
        if alternatives is None:
            alternatives = config.beams - 1 if config.decode == "beam" else 0
        generator = self._generators.get(config, config.max_target, alternatives)
        whole = self.tokenizer.encode_sources(sources)
        encoded = [cut(ids, config.max_source) for ids in whole]
        decoded = text_decoding.decode(generator, encoded, config.decode_batch_size)
        truncated = [len(ids) > config.max_source for ids in whole]
        references = references or [""] * len(sources)
        rows = zip(sources, encoded, decoded, truncated, references, strict=True)
        return [self._result(*row) for row in rows]

    def predict_in_parts(self, rows, **decoding):
        """Yields rows, some at a time, and what `predict` makes of them.

        What a search returns is larger by far than its texts: of a large test set no memory would
        hold all.

        Args:
            rows: A sequence of rows.
            **decoding: Fields of the configuration to replace.
        """
        for some in chunks(rows, AT_ONCE):
            yield some, self.predict(some, alternatives=0, **decoding)

    def _result(self, source, ids, decoded, truncated, reference):
        # What a model that copies says of it is a column behind those of the source.
        weights, copied = decoded.weights[:, : len(ids)], decoded.weights[:, len(ids) :]
        copied = copied[:, 0] if copied.shape[1] else None

        def look():
            texts = {"reference": reference, "source": source}
            return self.align(self.tokenizer, ids, decoded.tokens, weights, copy=copied, **texts)

        return GeneratedText(
            source=source,
            text=self.tokenizer.decode(decoded.tokens, source),
            score=decoded.score,
            alternatives=tuple(
                Alternative(self.tokenizer.decode(tokens, source), score)
                for tokens, score in decoded.alternatives
            ),
            truncated=truncated,
            tokens=decoded.tokens,
            weights=weights,
            copied=copied,
            look=look,
        )


def as_rows(inputs, name):
    """Returns rows for texts, rows, or one of them alone.

    Args:
        inputs: Texts, of which the space around is dropped, or rows; or one of them.
        name: The field that a text becomes.
    """
    inputs = [inputs] if isinstance(inputs, str | Mapping) else inputs
    return [{name: each.strip()} if isinstance(each, str) else each for each in inputs]


def print_lines(results, inputs, max_source):
    """Prints the texts, one per line, and says on standard error how many sources were truncated.

    Args:
        results: A list of `GeneratedText`.
        inputs: What the sources are, in the plural, such as "documents".
        max_source: The maximum length of a source in tokens.
    """
    for result in results:
        answer(" ".join(result.text.split()))
    if cut_short := sum(result.truncated for result in results):
        whole = f"{cut_short:,} of {len(results):,} {inputs}"
        note(f"{whole} truncated to {max_source} tokens")
