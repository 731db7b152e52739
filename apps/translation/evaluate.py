"""Scores a finished run on a whole split: `python -m apps.translation.evaluate --run FOLDER`."""

import json
from pathlib import Path

from apps.translation.config import Config, Evaluation
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = flags.parse(Evaluation, argv, prog="python -m apps.translation.evaluate")
    folder = Path(arguments.run)
    config = runs.load(folder, Config)
    if arguments.dataset is not None:
        config = config.without_data()
    config = flags.override(config, arguments)
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.translation import data
    if arguments.device == "gpu":
        devices.require_gpu()
    translator, tokenizer = load(folder)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    evaluate(folder, config, translator, tokenizer, rows, arguments.split)


def load(folder):
    """The translator and the tokenizer of a run."""
    import layers  # noqa: F401
    from pipelines.text.tokenizer import Tokenizer

    return runs.load_model(folder), Tokenizer.load(folder)


def evaluate(folder, config, translator, tokenizer, rows, split, training_seconds=None):
    """Translates a split, writes `metrics.json` and the maps into the run, prints the metrics."""
    from pipelines.metrics import translation_scores

    decoded = translate(make_generator(translator, config), rows, tokenizer, config)
    metrics = score(decoded, rows, tokenizer, config)
    report = runs.write_report(
        folder,
        dataset=config.files[split][0] or config.source_file or config.dataset,
        split=split,
        examples=len(rows),
        training_seconds=training_seconds,
        parameters=translator.count_params(),
        metrics=metrics,
    )
    texts = [tokenizer.decode(text.tokens) for text in decoded]
    references = [row["target"] for row in rows]
    signatures = translation_scores.signatures(texts, references, config.bleu_tokenize)
    runs.write_json(folder / "signatures.json", signatures)
    for name, signature in signatures.items():
        terminal.console.print(f"{name}: {signature}")
    lines = [
        json.dumps(
            {"source": row["source"], "translation": text, "target": row["target"]},
            ensure_ascii=False,
        )
        for row, text in zip(rows, texts, strict=True)
    ]
    (folder / f"translations_{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    page = draw(folder / "maps", decoded, rows, tokenizer, config, metrics)
    terminal.console.print(f"maps: {page}")
    return report


def make_generator(translator, config, method=None):
    """The decoder that a configuration describes."""
    from pipelines.decoding.generator import Generator

    return Generator(
        translator,
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
    )


def translate(generator, rows, tokenizer, config):
    """Decodes the sources of all rows, in order."""
    from pipelines.decoding import text_decoding

    encoded = tokenizer.encode_sources([row["source"] for row in rows], config.max_source)
    return text_decoding.decode(generator, encoded, config.decode_batch_size)


def score(decoded, rows, tokenizer, config):
    """All metrics of a decoded split; that of the months where the data set knows them."""
    from apps.translation import data
    from pipelines.builtin.dates import month_pointing
    from pipelines.metrics import attention_health, translation_scores

    texts = [tokenizer.decode(text.tokens) for text in decoded]
    references = [row["target"] for row in rows]
    metrics = translation_scores.score(texts, references, config.bleu_tokenize)
    if data.knows_months(rows):
        outputs = [(text.tokens, text.weights) for text in decoded]
        metrics["alignment_accuracy"] = month_pointing.accuracy(rows, outputs, tokenizer)
    return {**metrics, **attention_health.attention_health([text.weights for text in decoded])}


def draw(folder, decoded, rows, tokenizer, config, metrics, pictures=8, on_page=24):
    """Draws the maps of the first pairs: a PNG each, and one page of all of these."""
    from pipelines.maps import alignments, gallery

    encoded = tokenizer.encode_sources([row["source"] for row in rows[:on_page]], config.max_source)
    labels = alignments.Labels(target="translation")
    shown = [
        alignments.align(
            tokenizer, ids, text.tokens, text.weights, reference=row["target"], labels=labels
        )
        for ids, text, row in zip(encoded, decoded, rows, strict=False)
    ]
    return gallery.write(folder, shown, scores=metrics, pictures=pictures)


if __name__ == "__main__":
    main()
