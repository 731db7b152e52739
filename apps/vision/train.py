"""Trains an image classifier: `python -m apps.vision.train --help`."""

import functools

from apps.vision.config import PRESETS, Config, resolve, started_model
from pipelines.commands.entry import command
from pipelines.commands.errors import UserError


@command(Config, presets=PRESETS, defaults=started_model, resolve=resolve)
def main(config):
    """Reads the data, builds the model, fits it, and evaluates its best epoch on the test split."""
    import keras

    import layers
    from apps.vision import data, model
    from apps.vision.inference import Classifier
    from pipelines.training import fitting

    run = fitting.start("vision", config, layers.ModelParallel)
    rows = data.read(config)
    config = run.config = data.fit_training(config, rows["train"])
    started = Classifier.load(config.start) if config.start else None
    channels = started.channels if started else data.count_channels(rows["train"])
    training, validation, test = data.open_splits(rows, config, channels)
    names = data.class_names(training.rows)
    validation = data.with_known_labels(validation, names, "validation images")
    test = data.with_known_labels(test, names, "test images")
    batches = data.training_batches(training, names, config)
    network = build(config, channels, len(names), started)
    del started  # Its weights are not needed twice.
    classifier = Classifier(network, names, config)

    run.create(
        classifier,
        f"{len(training.rows):,} training images",
        f"{config.image_size} x {config.image_size}",
        "grey" if channels == 1 else "in colour",
        describe(names),
    )
    trained, keep = network, None
    if config.freeze:
        trained = model.behind_backbone(network)
        keep = functools.partial(model.copy_trained, target=network)
    learner = Classifier(trained, names, config)
    fitting.compile_model(
        trained,
        config,
        batches,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
    )
    fitting.fit(
        run,
        trained,
        batches,
        validation=data.validation_batches(validation, names, config),
        score=lambda: learner.evaluate(validation),
        monitor="top_1",
        keep=keep,
    )
    report = run.report("test")
    Classifier.load(run.folder, config).evaluate(test, report)


def build(config, channels, classes, started=None):
    """A new model, or one that goes on from that of another run."""
    from apps.vision import model

    if started is None:
        return model.build(config, channels, classes)
    try:
        return model.build(config, channels, classes, started.model)
    except ValueError as error:
        raise UserError(f"--start {config.start}: {error}") from error


def describe(names, most=10):
    """How many classes there are, and which."""
    shown = [*names[:most], "…"] if len(names) > most else names
    return f"{len(names)} classes ({', '.join(shown)})"


if __name__ == "__main__":
    main()
