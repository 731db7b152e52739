"""Trains a speech recognizer: `python -m apps.speech.train --help`."""

import dataclasses
import time

from apps.speech.config import PRESETS, Config, check_pretrained, pretrained
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and trains."""
    options = {"prog": "python -m apps.speech.train", "presets": PRESETS}
    config = flags.parse(Config, argv, open_preset=pretrained, **options)
    check_pretrained(config)
    devices.select_device(config.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        import apps.speech.data  # noqa: F401
    if config.device == "gpu":
        devices.require_gpu()
    train(config)


def train(config):
    """Reads the data, makes or opens the model, fits it, and evaluates its best epoch."""
    import keras

    import layers
    from apps.speech import data, model
    from apps.speech.evaluate import evaluate, load, make_recognizer, score
    from pipelines.audio import front_ends, normalization, whisper
    from pipelines.training import callbacks, optimizer

    runs.check_name("speech", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    if config.whisper is not None:
        opened = whisper.load(config.whisper, layers.Whisper)
    rows = data.read(config)
    sounds = data.listen(rows["train"], config, training=True)
    validation = data.listen(rows["validation"][: config.max_validation], config)
    if config.whisper is None:
        # In pieces much longer than what it was trained on, a decoder gets lost.
        longest = data.MARGIN * float(sounds.seconds.max())
        config = dataclasses.replace(config, max_seconds=min(config.max_seconds, longest))
        tokenizer = data.train_tokenizer(rows["train"], config)
        language_model = data.train_language_model(rows["train"], tokenizer, config)
        network = model.build(config, tokenizer.vocabulary_size)
        normalization = normalization.normalization(sounds.store)
        front_end = front_ends.LogMels(normalization, config.max_seconds)
    else:
        tokenizer, network = opened.tokenizer, opened.model
        front_end = front_ends.WhisperMels(opened.extractor, config.max_seconds)

    tokens = data.encode(sounds, tokenizer, front_end, config)
    batches = data.training_batches(sounds, tokens, front_end, config)
    quick = make_recognizer(network, tokenizer, front_end, config, quick=True)

    folder = runs.create("speech", config)
    tokenizer.save(folder)
    front_end.save(folder)
    if config.whisper is None:
        language_model.save(folder)
    terminal.console.print(
        f"{len(sounds.rows):,} training utterances, {sounds.hours(tokens):.1f} hours, "
        f"{tokenizer.vocabulary_size:,} units, {network.count_params():,} parameters, "
        f"run {folder}"
    )
    steps = optimizer.compile_model(
        network, config, config.epochs, batches.steps, **_objective(config)
    )
    network.fit(
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
                quick.transcribe(validation.heard_by(front_end), config.decode_batch_size),
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


def _objective(config):
    """What `compile` is to know of the heads there are; a Whisper has but one output."""
    import keras

    from pipelines.training import ctc_loss, token_loss

    attention = token_loss.TokenCrossentropy(config.label_smoothing)
    if config.whisper is not None:
        return {"loss": attention}
    losses = {
        "ctc": (ctc_loss.CtcLoss(), config.ctc_weight),
        "attention": (attention, 1 - config.ctc_weight),
    }
    # XLA cannot compile TensorFlow's CTC.
    interpreted = "ctc" in config.heads and keras.backend.backend() == "tensorflow"
    return {
        "loss": {name: losses[name][0] for name in config.heads},
        "loss_weights": {name: losses[name][1] for name in config.heads},
        "jit_compile": False if interpreted else "auto",
    }


if __name__ == "__main__":
    main()
