"""Trains a speech recognizer: `python -m apps.speech.train --help`."""

import time

from apps.speech.config import PRESETS, Config
from pipelines import console, runs


@console.main
def main(argv=None):
    """Reads the flags and trains."""
    config = console.parse(Config, argv, prog="python -m apps.speech.train", presets=PRESETS)
    console.select_device(config.device, config.op_threads)
    with console.quiet_start():
        import tensorflow  # noqa: F401

        import apps.speech.data  # noqa: F401
    if config.device == "gpu":
        console.require_gpu()
    train(config)


def train(config):
    """Reads the data, makes the model, fits it, and evaluates the best epoch on the test split."""
    import keras

    from apps.speech import data, model
    from apps.speech.evaluate import evaluate, load, make_recognizer, score
    from pipelines import ctc_loss, mel_store, training

    runs.check_name("speech", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    sounds = data.listen(rows["train"], config, training=True)
    normalization = mel_store.normalization(sounds.store)
    validation = data.listen(rows["validation"][: config.max_validation], config)

    network = model.build(config, tokenizer.vocabulary_size)
    batches, steps, heard = data.training_batches(
        sounds, tokenizer, normalization, network.heads, config
    )
    quick = make_recognizer(network, tokenizer, normalization, config, quick=True)

    folder = runs.create("speech", config)
    tokenizer.save(folder)
    normalization.save(folder)
    data.train_language_model(rows["train"], tokenizer, config).save(folder)
    console.console.print(
        f"{len(sounds.rows):,} training utterances, {heard / 3600:.1f} hours, "
        f"{tokenizer.vocabulary_size:,} units, {network.count_params():,} parameters, "
        f"run {folder}",
        highlight=False,
        soft_wrap=True,
    )
    losses = {
        "ctc": (ctc_loss.CtcLoss(), config.ctc_weight),
        "attention": (training.TokenCrossentropy(config.label_smoothing), 1 - config.ctc_weight),
    }
    losses = {name: losses[name] for name in network.heads}
    steps, at_once = training.whole_executions(steps, config.steps_per_execution)
    network.compile(
        training.make_optimizer(
            config.learning_rate,
            config.epochs * steps,
            config.warmup_steps,
            weight_decay=config.weight_decay,
            clip_norm=config.clip_norm,
            ema_momentum=config.ema or None,
        ),
        loss={name: loss for name, (loss, _) in losses.items()},
        loss_weights={name: weight for name, (_, weight) in losses.items()},
        steps_per_execution=at_once,
    )
    # Else it is built inside the first step, which TensorFlow then traces twice.
    network.optimizer.build(network.trainable_variables)
    network.fit(
        batches,
        steps_per_epoch=steps,
        epochs=config.epochs,
        verbose=0,
        callbacks=training.make_callbacks(
            folder,
            epochs=config.epochs,
            steps=steps,
            batch_size=len(sounds.rows) / steps,
            evaluate=lambda: score(
                quick.transcribe(validation.log_mels(), config.decode_batch_size),
                validation.rows,
                config,
            ),
            monitor="-wer",
            patience=config.patience,
            averaged=config.ema > 0,
        ),
    )
    seconds = time.perf_counter() - started

    evaluate(
        folder,
        config,
        load(folder, config),
        rows["test"],
        "test",
        training_seconds=round(seconds, 1),
    )


if __name__ == "__main__":
    main()
