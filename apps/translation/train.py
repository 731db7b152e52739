"""Trains a translator: `python -m apps.translation.train --help`."""

import time

from apps.translation.config import PRESETS, Config
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and trains."""
    config = flags.parse(Config, argv, prog="python -m apps.translation.train", presets=PRESETS)
    devices.select_device(config.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        import apps.translation.data  # noqa: F401
    if config.device == "gpu":
        devices.require_gpu()
    train(config)


def train(config):
    """Reads the data, makes the model, fits it, and evaluates the best epoch on the test split."""
    import keras

    from apps.translation import data, model
    from apps.translation.evaluate import evaluate, load, make_generator, score, translate
    from pipelines.text import token_batches
    from pipelines.training import callbacks, optimizer, token_loss

    runs.check_name("translation", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    buckets = data.make_buckets(rows["train"], tokenizer, config)
    validation = rows["validation"][: config.max_validation]

    translator = model.build(config, tokenizer.vocabulary_size)
    greedy = make_generator(translator, config, method="greedy")

    folder = runs.create("translation", config)
    tokenizer.save(folder)
    terminal.console.print(
        f"{len(rows['train']):,} training pairs, {tokenizer.vocabulary_size:,} tokens, "
        f"{translator.count_params():,} parameters, run {folder}"
    )
    batches = token_batches.training_batches(buckets, config.seed)
    loss = token_loss.TokenCrossentropy(config.label_smoothing)
    steps = optimizer.compile_model(translator, config, config.epochs, batches.steps, loss=loss)
    translator.fit(
        batches.dataset,
        steps_per_epoch=steps,
        epochs=config.epochs,
        verbose=0,
        callbacks=callbacks.make_callbacks(
            folder,
            epochs=config.epochs,
            steps=steps,
            batch_size=batches.examples / batches.steps,
            evaluate=lambda: score(
                translate(greedy, validation, tokenizer, config), validation, tokenizer, config
            ),
            monitor=data.choose_monitor(validation, config),
            patience=config.patience,
            averaged=config.ema > 0,
        ),
    )
    seconds = time.perf_counter() - started

    translator, tokenizer = load(folder)
    evaluate(
        folder,
        config,
        translator,
        tokenizer,
        rows["test"],
        "test",
        training_seconds=round(seconds, 1),
    )


if __name__ == "__main__":
    main()
