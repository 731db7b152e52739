"""Summarizes with a finished run: `python -m apps.summarization.predict --input TEXT`."""

import sys
from pathlib import Path

from apps.summarization.config import Config, Prediction
from pipelines.commands import devices, errors, flags, runs, text_input


@errors.main
def main(argv=None):
    """Reads the flags, summarizes, and draws what each word looked at."""
    arguments = flags.parse(Prediction, argv, prog="python -m apps.summarization.predict")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    documents = text_input.read(arguments.input, by_line=False)
    output = Path(arguments.output or folder / "predictions")
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.summarization.evaluate import load
    if arguments.device == "gpu":
        devices.require_gpu()
    summarizer, tokenizer = load(folder, config)
    predict(config, summarizer, tokenizer, documents, output)


def predict(config, summarizer, tokenizer, documents, output):
    """Prints a summary of each document, a line each, and writes the maps of the first.

    Standard output holds the summaries alone, so that it can be piped.
    """
    from apps.summarization.evaluate import draw, make_generator, summarize, texts

    runs.make_folder(output)
    rows = [{"document": document.strip(), "summary": []} for document in documents]
    lengths = [len(ids) - 1 for ids in tokenizer.encode([row["document"] for row in rows])]
    long = sum(length > config.max_source for length in lengths)
    if long:
        cut = f"{long:,} of {len(rows):,} documents cut to {config.max_source} tokens"
        print(cut, file=sys.stderr)
    decoded = summarize(make_generator(summarizer, tokenizer, config), rows, tokenizer, config)
    for text in texts(decoded, rows, tokenizer):
        print(" ".join(text.split()))
    shown = [i for i, row in enumerate(rows) if row["document"]]
    page = draw(
        output, [decoded[i] for i in shown], [rows[i] for i in shown], tokenizer, config, None
    )
    print(f"what the words looked at: {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
