"""A trained translator, for Python and for the commands."""

import dataclasses
from dataclasses import dataclass

import layers  # noqa: F401
from apps.translation import data, maps
from apps.translation.config import Config
from pipelines.builtin.dates import month_pointing
from pipelines.commands import runs
from pipelines.commands.terminal import console
from pipelines.decoding import text_decoding
from pipelines.decoding.generation import Generators
from pipelines.decoding.result import Alternative, Result
from pipelines.maps import alignments
from pipelines.metrics import attention_health, translation_scores
from pipelines.text.tokenizer import Tokenizer, cut


@dataclass(frozen=True, eq=False, kw_only=True)
class Translation(Result):
    """What a text was translated to.

    Attributes:
        source: The text.
        text: Its translation.
        truncated: Whether the source was too long for the model and was cut.
        decoded: Tokens, their attention weights over those of the source, and the score.
    """

    source: str
    text: str
    truncated: bool
    decoded: text_decoding.Decoded = dataclasses.field(repr=False)


class Translator:
    """A translation model with its tokenizer.

    Example:
    ```python
    translator = Translator.load("runs/translation/latest")
    result = translator.predict(["12 mars 2024"], beams=4)[0]
    print(result.text, result.score, result.alternatives)
    result.attention.save("map.png")
    ```

    Args:
        model: A model that `apps.translation.model.build` made.
        tokenizer: The `Tokenizer` of source and target.
        config: The run's `Config`: how texts are encoded, and, by default, decoded.
    """

    def __init__(self, model, tokenizer, config):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self._generators = Generators(model)

    @classmethod
    def load(cls, run, config=None, **decoding):
        """Opens a finished run.

        Args:
            run: Its folder.
            config: A `Config` in place of the one in the folder.
            **decoding: Fields of the configuration to replace, such as `beams=8`.

        Raises:
            UserError: The folder is not a run, or a file in it is damaged.
        """
        config = dataclasses.replace(config or runs.load(run, Config), **decoding)
        return cls(runs.load_model(run), Tokenizer.load(run), config)

    def save_preprocessing(self, folder):
        """Writes what `load` reads besides the model."""
        self.tokenizer.save(folder)

    def predict(self, inputs, alternatives=None, **decoding):
        """Translates texts.

        Args:
            inputs: Texts, or rows with a `source` and perhaps, for the map, a `target`.
            alternatives: How many further outputs of beam search each result has; by default all
                of the beam.
            **decoding: Fields of the configuration to replace, such as `decode="greedy"`.

        Returns:
            A `Translation` for each; its score is the log-probability that it was ranked by. Of an
            empty text it is empty.
        """
        config = dataclasses.replace(self.config, **decoding)
        inputs = [inputs] if isinstance(inputs, str) else inputs
        rows = [{"source": each.strip()} if isinstance(each, str) else each for each in inputs]
        if alternatives is None:
            alternatives = config.beams - 1 if config.decode == "beam" else 0
        generator = self._generators.get(config, config.max_target, alternatives)
        whole = [ids[1:] for ids in self.tokenizer.encode([row["source"] for row in rows])]
        encoded = [cut(ids, config.max_source) for ids in whole]
        decoded = text_decoding.decode(generator, encoded, config.decode_batch_size)
        return [
            self._result(row, ids, text, truncated=len(all_ids) > config.max_source)
            for row, ids, text, all_ids in zip(rows, encoded, decoded, whole, strict=True)
        ]

    def _result(self, row, ids, decoded, truncated):
        def look():
            reference = row.get("target", "")
            return alignments.align(
                self.tokenizer, ids, decoded.tokens, decoded.weights, reference=reference
            )

        return Translation(
            source=row["source"],
            text=self.tokenizer.decode(decoded.tokens),
            score=decoded.score,
            alternatives=tuple(
                Alternative(self.tokenizer.decode(tokens), score)
                for tokens, score in decoded.alternatives
            ),
            truncated=truncated,
            decoded=decoded,
            look=look,
        )

    def evaluate(self, rows, report=None, **decoding):
        """Translates rows and compares with their targets.

        Args:
            rows: With `source` and `target`.
            report: A `pipelines.commands.runs.Report` to write metrics, translations and maps to.
            **decoding: Fields of the configuration to replace.

        Returns:
            The metrics; that of the months only where the data set says where they stand.
        """
        results = self.predict(rows, alternatives=0, **decoding)
        texts = [result.text for result in results]
        references = [row["target"] for row in rows]
        metrics = translation_scores.score(texts, references, self.config.bleu_tokenize)
        if data.knows_months(rows):
            outputs = [(result.decoded.tokens, result.decoded.weights) for result in results]
            metrics["alignment_accuracy"] = month_pointing.accuracy(rows, outputs, self.tokenizer)
        metrics |= attention_health.attention_health([r.decoded.weights for r in results])
        if report is not None:
            report.write(metrics, len(rows), self.model.count_params())
            self._write(report, results, rows)
            console.print(f"maps: {maps.draw(report.folder / 'maps', results, metrics)}")
        return metrics

    def _write(self, report, results, rows):
        report.write_rows(
            "translations",
            [
                {"source": row["source"], "translation": result.text, "target": row["target"]}
                for row, result in zip(rows, results, strict=True)
            ],
        )
        texts, references = [result.text for result in results], [row["target"] for row in rows]
        signatures = translation_scores.signatures(texts, references, self.config.bleu_tokenize)
        runs.write_json(report.folder / "signatures.json", signatures)
        for name, signature in signatures.items():
            console.print(f"{name}: {signature}")
