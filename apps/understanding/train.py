"""Trains a model that understands text: `python -m apps.understanding.train --help`."""

from apps.understanding.config import PRESETS, Config
from pipelines.commands.entry import command


@command(Config, presets=PRESETS)
def main(config):
    """Reads the data, builds the model, fits it, and evaluates its best epoch on the test split."""
    import layers
    from apps.understanding import data, model
    from apps.understanding.inference import Reader
    from apps.understanding.tasks.registry import task_of
    from pipelines.training import fitting

    run = fitting.start("understanding", config, layers.ModelParallel)
    task = task_of(config)
    splits = data.read(config)
    tokenizer = data.make_tokenizer(splits["train"], config)
    classes = data.make_classes(splits["train"], config)
    for split in ("validation", "test"):
        task.report_unknown(splits[split], split, classes)
    batches = data.training_batches(splits["train"], tokenizer, classes, config)
    validation = splits["validation"][: config.max_validation]
    network = model.build(config, tokenizer, classes)
    reader = Reader(network, tokenizer, classes, config)

    examples, tokens = len(splits["train"]), tokenizer.vocabulary_size
    run.create(reader, f"{config.task}: {examples:,} training examples", f"{tokens:,} tokens")
    fitting.compile_model(network, config, batches, epochs=config.passes)
    fitting.fit(
        run,
        network,
        batches,
        epochs=config.passes,
        validation=data.training_batches(validation, tokenizer, classes, config),
        score=lambda: reader.evaluate(validation),
        monitor=task.MONITOR,
    )
    report = run.report("test")
    best = Reader.load(run.folder, config)
    best.evaluate(splits["test"], report, training=splits["train"])


if __name__ == "__main__":
    main()
