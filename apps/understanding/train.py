"""Trains a model that understands text: `python -m apps.understanding.train --help`."""

import time

from apps.understanding.config import PRESETS, Config
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and trains."""
    config = flags.parse(Config, argv, prog="python -m apps.understanding.train", presets=PRESETS)
    devices.select_device(config.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        import apps.understanding.data  # noqa: F401
    if config.device == "gpu":
        devices.require_gpu()
    train(config)


def train(config):
    """Reads the data, makes the model, fits it, and evaluates the best epoch on the test split."""
    import keras

    from apps.understanding import data, model
    from apps.understanding.evaluate import MONITORS, evaluate, score
    from apps.understanding.reading import Reader
    from pipelines.text import text_batches, word_vectors
    from pipelines.training import callbacks, optimizer

    runs.check_name("understanding", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    tokenizer = data.make_subwords(rows["train"], config)
    classes = data.class_names(config.task, rows["train"])
    for split in ("validation", "test"):
        data.report_unknown(config.task, rows[split], split, classes)
    examples, _ = data.encode(config.task, rows["train"], tokenizer, classes, config)
    batches = text_batches.training_batches(examples, config.batch_tokens, config.seed)

    network = model.build(config, tokenizer, classes)
    if config.vectors is not None:
        word_vectors.assign(config.vectors, tokenizer, network.encoder.embedding)
    reader = Reader(network, tokenizer, classes, config)
    validation = rows["validation"][: config.max_validation]

    folder = runs.create("understanding", config)
    reader.save(folder)
    terminal.console.print(
        f"{config.task}: {len(rows['train']):,} training examples, "
        f"{tokenizer.vocabulary_size:,} tokens, {network.count_params():,} parameters, "
        f"run {folder}"
    )
    steps = optimizer.compile_model(network, config, config.passes, batches.steps)
    network.fit(
        batches.dataset,
        steps_per_epoch=steps,
        epochs=config.passes,
        verbose=0,
        callbacks=callbacks.make_callbacks(
            folder,
            epochs=config.passes,
            steps=steps,
            batch_size=batches.examples / batches.steps,
            evaluate=lambda: score(config.task, reader.read(validation), validation),
            monitor=MONITORS[config.task],
            patience=config.patience,
            averaged=config.ema > 0,
        ),
    )
    seconds = time.perf_counter() - started

    evaluate(
        folder,
        config,
        Reader.load(folder, config),
        rows,
        "test",
        training_seconds=round(seconds, 1),
    )


if __name__ == "__main__":
    main()
