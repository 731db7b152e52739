"""Translates with a finished run: `python -m apps.translation.predict --input TEXT`."""

import sys
from pathlib import Path

from apps.translation.config import Config, Prediction
from pipelines.commands import devices, errors, flags, runs, text_input


@errors.main
def main(argv=None):
    """Reads the flags, translates line by line, and draws what each word looked at."""
    arguments = flags.parse(Prediction, argv, prog="python -m apps.translation.predict")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    lines = text_input.read(arguments.input)
    output = Path(arguments.output or folder / "predictions")
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.translation.evaluate import load
    if arguments.device == "gpu":
        devices.require_gpu()
    translator, tokenizer = load(folder)
    predict(config, translator, tokenizer, lines, output)


def predict(config, translator, tokenizer, lines, output):
    """Prints a translation for each line, blank for a blank one, and writes maps of the first.

    Standard output holds the translations alone, so that it can be piped.
    """
    from apps.translation.evaluate import draw, make_generator, translate

    runs.make_folder(output)
    rows = [{"source": line.strip(), "target": ""} for line in lines]
    lengths = [len(ids) - 1 for ids in tokenizer.encode([row["source"] for row in rows])]
    long = sum(length > config.max_source for length in lengths)
    if long:
        print(f"{long:,} of {len(rows):,} lines cut to {config.max_source} tokens", file=sys.stderr)
    decoded = translate(make_generator(translator, config), rows, tokenizer, config)
    for text in decoded:
        print(" ".join(tokenizer.decode(text.tokens).split()))
    shown = [i for i, row in enumerate(rows) if row["source"]]
    page = draw(
        output, [decoded[i] for i in shown], [rows[i] for i in shown], tokenizer, config, None
    )
    print(f"what the words looked at: {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
