"""A trained summarizer, for Python and for the commands."""

import dataclasses

import layers
from apps.summarization import data, maps
from apps.summarization.config import Config
from pipelines.commands import runs
from pipelines.commands.terminal import console
from pipelines.data.rows import column
from pipelines.decoding.text_generator import TextGenerator, as_rows
from pipelines.metrics import rouge
from pipelines.metrics.attention_health import AttentionHealth


class Summarizer(TextGenerator):
    """A summarization model with its tokenizer.

    Example:
    ```python
    summarizer = Summarizer.load("runs/summarization/latest")
    result = summarizer.predict(["Kim met Lee by the river and gave him a boat."], beams=4)[0]
    print(result.text, result.score, result.alternatives)
    print(result.attention.copy)  # For each word the probability that it was copied.
    result.attention.save("map.png")
    ```

    Args:
        model: A model that `apps.summarization.model.build` made.
        tokenizer: The `Tokenizer` or `WordTokenizer` of documents and summaries.
        config: The run's `Config`: how documents are encoded, and, by default, summaries decoded.
    """

    align = maps.align

    @classmethod
    def load(cls, run, config=None, **decoding):
        """Opens a finished run.

        Args:
            run: Its folder.
            config: A `Config` in place of the run's own.
            **decoding: Fields of the configuration to replace, such as `no_repeat_ngram=2`.

        Raises:
            UserError: The folder is not a run, or a file in it is damaged.
        """
        config = dataclasses.replace(config or runs.load(run, Config), **decoding)
        tokenizer = data.load_tokenizer(run, config)
        model = runs.load_model(run, layers.SequenceToSequence)
        tokens = model.decoder.vocabulary_size
        runs.check_together(run, "tokens", tokenizer.vocabulary_size, tokens)
        return cls(model, tokenizer, config)

    def predict(self, inputs, alternatives=None, **decoding):
        """Summarizes documents.

        Args:
            inputs: Texts, or rows with a `document` and perhaps, for the map, a `summary`; one
                alone is taken too.
            alternatives: How many further outputs of beam search each result has; by default all
                of the beam.
            **decoding: Fields of the configuration to replace, such as `decode="greedy"`.

        Returns:
            A `GeneratedText` for each; of an empty document it is empty.
        """
        rows = as_rows(inputs, "document")
        documents = [row["document"] for row in rows]
        references = ["\n".join(data.references(row)) for row in rows]
        return self.generate(documents, references, alternatives, **decoding)

    def evaluate(self, rows, report=None, baselines=True, **decoding):
        """Summarizes rows and compares with their summaries.

        Args:
            rows: With `document` and `summary`, a text or a list of texts.
            report: A `pipelines.commands.runs.Report` to write metrics, summaries and maps to.
            baselines: Whether to score the first sentences of each document too, which takes no
                model.
            **decoding: Fields of the configuration to replace.

        Returns:
            The metrics; ROUGE takes the best of several summaries.
        """
        health, texts, shown = AttentionHealth(with_end=True), [], []
        for _, results in self.predict_in_parts(rows, **decoding):
            texts += [result.text for result in results]
            health.add(result.weights for result in results)
            shown += results[: maps.ON_PAGE - len(shown)]
        references = [data.references(row) for row in rows]
        metrics = rouge.score(texts, references)
        metrics["repetition"] = rouge.repetition(texts)
        metrics |= health.metrics()
        if baselines:
            metrics |= rouge.score_leads(column(rows, "document"), references)
        if report is not None:
            report.write(metrics, len(rows), self.model.count_params())
            summaries = zip(rows, texts, strict=True)
            report.write_rows("summaries", (_beside(row, text) for row, text in summaries))
            runs.write_json(report.folder / "signatures.json", {"rouge": rouge.signature()})
            console.print(f"rouge: {rouge.signature()}")
            console.print(f"maps: {maps.draw(report.folder / 'maps', shown, metrics)}")
        return metrics


def _beside(row, text):
    """A row of the data and what was generated, as a report has them."""
    return {"document": row["document"], "generated": text, "summary": row["summary"]}
