"""Trains an image classifier: `python -m apps.vision.train --help`."""

import time
from pathlib import Path

from apps.vision.config import MODEL, PRESETS, WEIGHTS, Config
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and trains."""
    config = parse(argv)
    devices.select_device(config.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        import apps.vision.data  # noqa: F401
    if config.device == "gpu":
        devices.require_gpu()
    train(config.resolved)


def parse(argv):
    """Reads the flags; with `--start`, its model stands where they say nothing of theirs."""
    options = {"prog": "python -m apps.vision.train", "presets": PRESETS}
    config = flags.parse(Config, argv, **options)
    if config.start is None:
        return config
    started = runs.load(config.start, Config)
    model = {name: getattr(started, name) for name in MODEL}
    config = flags.parse(Config, argv, **options, defaults=model)
    for name in WEIGHTS:
        if getattr(config, name) != model[name]:
            flag = name.replace("_", "-")
            raise errors.UserError(
                f"--{flag} {getattr(config, name)}: --start {config.start} has weights for "
                f"--{flag} {model[name]} only"
            )
    return config


def train(config):
    """Reads the data, makes the model, fits it, and evaluates the best epoch on the test split."""
    import keras

    from apps.vision import data
    from apps.vision.evaluate import evaluate, load, make_scorer
    from pipelines.data import sources
    from pipelines.images import image_files
    from pipelines.metrics import classification
    from pipelines.training import callbacks, optimizer

    runs.check_name("vision", config)
    started = time.perf_counter()
    keras.utils.set_random_seed(config.seed)
    if config.precision != "float32":
        keras.mixed_precision.set_global_policy(f"mixed_{config.precision}")

    rows = data.read(config)
    config = data.fit_sizes(config, rows["train"])
    trained = load(Path(config.start))[0] if config.start else None
    channels = (
        image_files.count_channels(row["path"] for row in rows["train"])
        if trained is None
        else trained.tokenizer.input_shape[-1]
    )
    train, validation, test = (
        data.open_split(rows[split], config.image_size, channels) for split in sources.SPLITS
    )
    names = data.class_names(train.rows)
    data.check_labels(validation.rows, names, "validation")
    data.check_labels(test.rows, names, "test")
    labels = validation.labels(names)

    classifier = make_classifier(config, channels, len(names), trained)
    del trained  # Its weights are not needed twice.
    scorer = make_scorer(classifier)

    folder = runs.create("vision", config)
    runs.write_json(folder / "labels.json", names)
    terminal.console.print(
        f"{len(train.rows):,} training pictures, {config.image_size} x {config.image_size}, "
        f"{'grey' if channels == 1 else 'in colour'}, {describe(names)}, "
        f"{classifier.count_params():,} parameters, run {folder}"
    )
    batches = data.training_batches(train, names, config)
    steps = optimizer.compile_model(
        classifier,
        config,
        config.epochs,
        batches.steps,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        jit_compile={"auto": "auto", "on": True, "off": False}[config.xla],
    )

    def score():
        pictures = data.picture_batches(validation, config.batch_size)
        return classification.score(scorer.predict(pictures, verbose=0), labels)

    classifier.fit(
        batches.dataset,
        steps_per_epoch=steps,
        epochs=config.epochs,
        verbose=0,
        callbacks=callbacks.make_callbacks(
            folder,
            epochs=config.epochs,
            steps=steps,
            batch_size=batches.examples / batches.steps,
            evaluate=score,
            monitor="top_1",
            patience=config.patience,
            averaged=config.ema > 0,
        ),
    )
    seconds = time.perf_counter() - started

    classifier, names = load(folder)
    evaluate(folder, config, classifier, names, test, "test", training_seconds=round(seconds, 1))


def make_classifier(config, channels, classes, trained=None):
    """A new classifier, or one that starts where another run ended."""
    from apps.vision import model

    try:
        return model.build(config, channels, classes, trained)
    except ValueError as error:
        if trained is None:
            raise
        raise errors.UserError(f"--start {config.start}: {error}") from error


def describe(names, most=10):
    """How many classes there are, and which."""
    shown = [*names[:most], "…"] if len(names) > most else names
    return f"{len(names)} classes ({', '.join(shown)})"


if __name__ == "__main__":
    main()
