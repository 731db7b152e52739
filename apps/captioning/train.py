"""Trains an image captioner: `python -m apps.captioning.train --help`."""

import time

from apps.captioning.config import PRESETS, Config
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and trains."""
    config = flags.parse(Config, argv, prog="python -m apps.captioning.train", presets=PRESETS)
    devices.select_device(config.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        import apps.captioning.data  # noqa: F401
    if config.device == "gpu":
        devices.require_gpu()
    train(config)


def train(config):
    """Reads the data, makes the model, fits it, and evaluates the best epoch on the test split."""
    import keras

    from apps.captioning import data, model
    from apps.captioning.evaluate import describe, evaluate, load, make_generator, score
    from pipelines.images import backbones
    from pipelines.training import callbacks, optimizer, token_loss

    runs.check_name("captioning", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    monitor = data.choose_monitor(rows["validation"], config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    train = data.open_split(rows["train"], config, flip=config.flip)
    validation = data.open_split(rows["validation"], config)
    groups = data.group_captions(train, tokenizer, config)

    network = None
    if config.backbone and config.fine_tune:
        network = backbones.open_backbone(config.backbone, config.image_size, trainable=True).model
    captioner = model.build(config, train.arrays[0].shape[1:], tokenizer.vocabulary_size, network)
    greedy = make_generator(captioner, config, method="greedy")

    folder = runs.create("captioning", config)
    tokenizer.save(folder)
    if config.backbone and not config.fine_tune:
        backbones.save(config.backbone, config.image_size, folder / "backbone.keras")
    terminal.console.print(
        f"{len(train.rows):,} training pictures, {tokenizer.vocabulary_size:,} tokens, "
        f"{captioner.count_params():,} parameters, run {folder}"
    )
    if config.learns_concepts_first:
        learn_concepts(captioner, train, groups, config)
    batches, steps = data.training_batches(train, groups, config)
    loss = token_loss.TokenCrossentropy(config.label_smoothing)
    steps = optimizer.compile_model(captioner, config, config.epochs, steps, loss=loss)
    captioner.fit(
        batches,
        steps_per_epoch=steps,
        epochs=config.epochs,
        verbose=0,
        callbacks=callbacks.make_callbacks(
            folder,
            epochs=config.epochs,
            steps=steps,
            batch_size=config.batch_size,
            evaluate=lambda: score(
                describe(greedy, validation, tokenizer, config.decode_batch_size), validation
            ),
            monitor=monitor,
            monitor_flag=True,
            patience=config.patience,
            averaged=config.ema > 0,
        ),
    )
    seconds = time.perf_counter() - started

    captioner, tokenizer = load(folder)
    test = data.open_split(rows["test"], config)
    evaluate(folder, config, captioner, tokenizer, test, "test", training_seconds=round(seconds, 1))


def learn_concepts(captioner, split, groups, config):
    """Teaches a new network what each cell holds, so that attention finds something to look for."""
    from apps.captioning import data, model
    from pipelines.training import callbacks, optimizer

    batches, steps, batch_size = data.concept_batches(split, groups, config)
    epochs = config.concept_epochs
    detector = captioner.concept_detector()
    steps = optimizer.compile_model(detector, config, epochs, steps, loss=model.concept_loss)
    detector.fit(
        batches,
        steps_per_epoch=steps,
        epochs=epochs,
        verbose=0,
        callbacks=callbacks.show_progress(epochs, steps, batch_size, title="concepts"),
    )
    # From here on its statistics stand, which the small batches of captions would only blur.
    captioner.encoder.pretrained = True


if __name__ == "__main__":
    main()
