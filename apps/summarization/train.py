"""Trains a summarizer: `python -m apps.summarization.train --help`."""

import dataclasses
import time

from apps.summarization.config import PRESETS, Config
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and trains."""
    config = flags.parse(Config, argv, prog="python -m apps.summarization.train", presets=PRESETS)
    devices.select_device(config.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        import apps.summarization.data  # noqa: F401
    if config.device == "gpu":
        devices.require_gpu()
    train(config)


def train(config):
    """Reads the data, makes the model, fits it, with coverage at last, and evaluates the best."""
    import keras

    from apps.summarization import data, model
    from apps.summarization.evaluate import evaluate, load
    from pipelines.text import word_vectors

    runs.check_name("summarization", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    buckets = data.make_buckets(rows["train"], tokenizer, config)
    validation = rows["validation"][: config.max_validation]

    summarizer = model.build(config, tokenizer.vocabulary_size)
    if config.vectors is not None:
        word_vectors.assign(config.vectors, tokenizer, summarizer.embedding)

    folder = runs.create("summarization", config)
    tokenizer.save(folder)
    terminal.console.print(
        f"{len(rows['train']):,} training documents, {tokenizer.vocabulary_size:,} tokens, "
        f"{summarizer.count_params():,} parameters, run {folder}"
    )
    fit(summarizer, buckets, validation, tokenizer, folder, config, config.epochs)
    if config.covers:
        summarizer, tokenizer = load(folder, config)
        model.set_coverage(summarizer, config.coverage_weight)
        later = dataclasses.replace(config, learning_rate=config.learning_rate / 10)
        epochs = config.coverage_epochs
        fit(summarizer, buckets, validation, tokenizer, folder, later, epochs, stage="coverage")
    seconds = time.perf_counter() - started

    summarizer, tokenizer = load(folder, config)
    evaluate(
        folder,
        config,
        summarizer,
        tokenizer,
        rows["test"],
        "test",
        training_seconds=round(seconds, 1),
    )


def fit(summarizer, buckets, validation, tokenizer, folder, config, epochs, stage=None):
    """One stage of the training."""
    from apps.summarization.evaluate import make_generator, score, summarize
    from pipelines.text import token_batches
    from pipelines.training import callbacks, optimizer, pointer_loss, token_loss

    batches, steps = token_batches.training_batches(
        buckets, config.seed, copying=config.copy, unlearnt=tokenizer.unknown
    )
    loss = token_loss.TokenCrossentropy(config.label_smoothing)
    if config.copy:
        loss = pointer_loss.PointerCrossentropy(tokenizer.vocabulary_size, config.label_smoothing)
    steps = optimizer.compile_model(summarizer, config, epochs, steps, loss=loss)
    greedy = make_generator(summarizer, tokenizer, config, method="greedy")
    summarizer.fit(
        batches,
        steps_per_epoch=steps,
        epochs=epochs,
        verbose=0,
        callbacks=callbacks.make_callbacks(
            folder,
            epochs=epochs,
            steps=steps,
            batch_size=sum(len(bucket.sources) for bucket in buckets) / steps,
            evaluate=lambda: score(
                summarize(greedy, validation, tokenizer, config), validation, tokenizer, config
            ),
            monitor=config.monitor,
            monitor_flag=True,
            patience=config.patience,
            averaged=config.ema > 0,
            stage=stage,
        ),
    )


if __name__ == "__main__":
    main()
