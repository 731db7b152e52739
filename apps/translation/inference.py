"""A trained translator, for Python and for the commands."""

import dataclasses

import layers
from apps.translation import data, maps
from apps.translation.config import Config
from pipelines.builtin.dates import month_pointing
from pipelines.commands import runs
from pipelines.commands.terminal import console
from pipelines.decoding.text_generator import TextGenerator, as_rows
from pipelines.metrics import translation_scores
from pipelines.metrics.attention_health import AttentionHealth
from pipelines.text.tokenizer import Tokenizer


class Translator(TextGenerator):
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

    align = maps.align

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
        model, tokenizer = runs.load_model(run, layers.SequenceToSequence), Tokenizer.load(run)
        tokens = model.decoder.vocabulary_size
        runs.check_together(run, "tokens", tokenizer.vocabulary_size, tokens)
        return cls(model, tokenizer, config)

    def predict(self, inputs, alternatives=None, **decoding):
        """Translates texts.

        Args:
            inputs: Texts, or rows with a `source` and perhaps, for the map, a `target`; one alone
                is taken too.
            alternatives: How many further outputs of beam search each result has; by default all
                of the beam.
            **decoding: Fields of the configuration to replace, such as `decode="greedy"`.

        Returns:
            A `GeneratedText` for each; of an empty text it is empty.
        """
        rows = as_rows(inputs, "source")
        sources = [row["source"] for row in rows]
        targets = [row.get("target", "") for row in rows]
        return self.generate(sources, targets, alternatives, **decoding)

    def evaluate(self, rows, report=None, **decoding):
        """Translates rows and compares with their targets.

        Args:
            rows: With `source` and `target`.
            report: A `pipelines.commands.runs.Report` to write metrics, translations and maps to.
            **decoding: Fields of the configuration to replace.

        Returns:
            The metrics; that of the months only where the data set says where they stand.
        """
        tokenize = dataclasses.replace(self.config, **decoding).bleu_tokenize
        knows_months = data.knows_months(rows)
        health, texts, outputs, shown = AttentionHealth(with_end=True), [], [], []
        for _, results in self.predict_in_parts(rows, **decoding):
            texts += [result.text for result in results]
            health.add(result.weights for result in results)
            if knows_months:
                outputs += [(result.tokens, result.weights) for result in results]
            shown += results[: maps.ON_PAGE - len(shown)]
        references = [row["target"] for row in rows]
        metrics = translation_scores.score(texts, references, tokenize)
        if knows_months:
            metrics["alignment_accuracy"] = month_pointing.accuracy(rows, outputs, self.tokenizer)
        metrics |= health.metrics()
        if report is not None:
            report.write(metrics, len(rows), self.model.count_params())
            self._write(report, texts, rows, tokenize)
            console.print(f"maps: {maps.draw(report.folder / 'maps', shown, metrics)}")
        return metrics

    def _write(self, report, texts, rows, tokenize):
        report.write_rows(
            "translations",
            (
                {"source": row["source"], "translation": text, "target": row["target"]}
                for row, text in zip(rows, texts, strict=True)
            ),
        )
        references = [row["target"] for row in rows]
        signatures = translation_scores.signatures(texts, references, tokenize)
        runs.write_json(report.folder / "signatures.json", signatures)
        for name, signature in signatures.items():
            console.print(f"{name}: {signature}")
