"""Trains an image classifier: `python -m apps.vision.train --help`."""

import time
from pathlib import Path

from apps.vision.config import PRESETS, Config
from pipelines import console, runs


@console.main
def main(argv=None):
    """Reads the flags and trains."""
    config = console.parse(Config, argv, prog="python -m apps.vision.train", presets=PRESETS)
    console.select_device(config.device, config.op_threads)
    with console.quiet_start():
        import tensorflow  # noqa: F401

        import apps.vision.data  # noqa: F401
    if config.device == "gpu":
        console.require_gpu()
    train(config.resolved)


def train(config):
    """Reads the data, makes the model, fits it, and evaluates the best epoch on the test split."""
    import keras

    from apps.vision import data
    from apps.vision.evaluate import evaluate, load, make_scorer
    from pipelines import classification, images, sources, training

    runs.check_name("vision", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    config = data.fit_sizes(config, rows["train"])
    channels = images.count_channels(row["path"] for row in rows["train"])
    rows = data.complete(rows, config, channels)
    train, validation, test = (
        data.open_split(rows[split], config.image_size, channels) for split in sources.SPLITS
    )
    names = data.class_names(train.rows)
    data.check_labels(validation.rows, names, "validation")
    data.check_labels(test.rows, names, "test")
    labels = validation.labels(names)

    classifier = make_classifier(config, channels, len(names))
    scorer = make_scorer(classifier)

    folder = runs.create("vision", config)
    runs.write_json(folder / "labels.json", names)
    console.console.print(
        f"{len(train.rows):,} training pictures, {config.image_size} x {config.image_size}, "
        f"{'grey' if channels == 1 else 'in colour'}, {describe(names)}, "
        f"{classifier.count_params():,} parameters, run {folder}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    batches, steps = data.training_batches(train, names, config)
    steps, at_once = training.whole_executions(steps, config.steps_per_execution)
    classifier.compile(
        training.make_optimizer(
            config.learning_rate,
            config.epochs * steps,
            config.warmup_steps,
            weight_decay=config.weight_decay,
            clip_norm=config.clip_norm,
            ema_momentum=config.ema or None,
        ),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        steps_per_execution=at_once,
        jit_compile={"auto": "auto", "on": True, "off": False}[config.xla],
    )
    # Else it is built inside the first step, which TensorFlow then traces twice.
    classifier.optimizer.build(classifier.trainable_variables)

    def score():
        pictures = data.picture_batches(validation, config.batch_size)
        return classification.score(scorer.predict(pictures, verbose=0), labels)

    classifier.fit(
        batches,
        steps_per_epoch=steps,
        epochs=config.epochs,
        verbose=0,
        callbacks=training.make_callbacks(
            folder,
            epochs=config.epochs,
            steps=steps,
            batch_size=config.batch_size,
            evaluate=score,
            monitor="top_1",
            patience=config.patience,
            averaged=config.ema > 0,
        ),
    )
    seconds = time.perf_counter() - started

    classifier, names = load(folder)
    evaluate(folder, config, classifier, names, test, "test", training_seconds=round(seconds, 1))


def make_classifier(config, channels, classes):
    """A new classifier, or one that starts where another run ended."""
    from apps.vision import model
    from apps.vision.evaluate import load

    if config.start is None:
        return model.build(config, channels, classes)
    runs.load(config.start, Config)
    trained, _ = load(Path(config.start))
    try:
        return model.build(config, channels, classes, trained=trained)
    except ValueError as error:
        raise console.UserError(f"--start {config.start}: {error}") from error


def describe(names, most=10):
    """How many classes there are, and which."""
    shown = [*names[:most], "…"] if len(names) > most else names
    return f"{len(names)} classes ({', '.join(shown)})"


if __name__ == "__main__":
    main()
