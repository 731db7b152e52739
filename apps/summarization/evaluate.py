"""Scores a finished run on a whole split: `python -m apps.summarization.evaluate --run FOLDER`."""

import json
from pathlib import Path

from apps.summarization.config import Config, Evaluation
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = flags.parse(Evaluation, argv, prog="python -m apps.summarization.evaluate")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.summarization import data
    if arguments.device == "gpu":
        devices.require_gpu()
    summarizer, tokenizer = load(folder, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    evaluate(folder, config, summarizer, tokenizer, rows, arguments.split)


def load(folder, config):
    """The summarizer and the tokenizer of a run."""
    import layers  # noqa: F401
    from apps.summarization.data import load_tokenizer

    return runs.load_model(folder), load_tokenizer(folder, config)


def evaluate(folder, config, summarizer, tokenizer, rows, split, training_seconds=None):
    """Summarizes a split, writes `metrics.json` and the maps into the run, prints the metrics."""
    from apps.summarization.data import references
    from pipelines.metrics import rouge

    decoded = summarize(make_generator(summarizer, tokenizer, config), rows, tokenizer, config)
    metrics = score(decoded, rows, tokenizer, config)
    metrics |= rouge.score_leads(
        [row["document"] for row in rows], [references(row) for row in rows]
    )
    report = runs.write_report(
        folder,
        dataset=config.dataset,
        split=split,
        examples=len(rows),
        training_seconds=training_seconds,
        parameters=summarizer.count_params(),
        metrics=metrics,
    )
    lines = [
        json.dumps(
            {"document": row["document"], "generated": text, "summary": row["summary"]},
            ensure_ascii=False,
        )
        for row, text in zip(rows, texts(decoded, rows, tokenizer), strict=True)
    ]
    (folder / f"summaries_{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    page = draw(folder / "maps", decoded, rows, tokenizer, config, metrics)
    terminal.console.print(f"maps: {page}")
    return report


def make_generator(summarizer, tokenizer, config, method=None):
    """The decoder that a configuration describes."""
    from pipelines.decoding.generator import Generator

    return Generator(
        summarizer,
        config.max_target,
        method=method or config.decode,
        beams=config.beams,
        length_penalty=config.length_penalty,
        coverage_penalty=config.coverage_penalty,
        no_repeat_ngram=config.no_repeat_ngram,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        seed=config.seed,
        min_length=config.min_length,
        forbidden=() if tokenizer.unknown is None else (tokenizer.unknown,),
    )


def summarize(generator, rows, tokenizer, config):
    """Decodes the documents of all rows, in order."""
    from pipelines.decoding import text_decoding

    encoded = tokenizer.encode_sources([row["document"] for row in rows], config.max_source)
    return text_decoding.decode(generator, encoded, config.decode_batch_size)


def texts(decoded, rows, tokenizer):
    """What was written, words that were copied among it."""
    return [
        tokenizer.decode(text.tokens, row["document"])
        for text, row in zip(decoded, rows, strict=True)
    ]


def split_weights(text, config):
    """Weights `(T, S)` over the document, and the probabilities of copying `(T,)` or `None`."""
    return (text.weights[:, :-1], text.weights[:, -1]) if config.copy else (text.weights, None)


def score(decoded, rows, tokenizer, config):
    """All metrics of a decoded split but those of the leads."""
    from apps.summarization.data import references
    from pipelines.metrics import attention_health, rouge

    written = texts(decoded, rows, tokenizer)
    metrics = rouge.score(written, [references(row) for row in rows])
    metrics["repetition"] = rouge.repetition(written)
    weights = [split_weights(text, config)[0] for text in decoded]
    return {**metrics, **attention_health.attention_health(weights)}


def draw(folder, decoded, rows, tokenizer, config, metrics, pictures=8, on_page=24):
    """Draws the maps of the first documents: a PNG each, and one page of all of these."""
    from apps.summarization.data import references
    from pipelines.maps import alignments, gallery

    rows = rows[:on_page]
    encoded = tokenizer.encode_sources([row["document"] for row in rows], config.max_source)
    shown = []
    for ids, text, row in zip(encoded, decoded, rows, strict=False):
        weights, copied = split_weights(text, config)
        shown.append(
            alignments.align(
                tokenizer,
                ids,
                text.tokens,
                weights,
                copy=copied,
                reference="\n".join(references(row)),
                source=row["document"],
                labels=alignments.Labels(source="document", target="summary"),
            )
        )
    return gallery.write(folder, shown, scores=metrics, pictures=pictures)


if __name__ == "__main__":
    main()
