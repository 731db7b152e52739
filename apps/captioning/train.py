"""Trains an image captioner: `python -m apps.captioning.train --help`."""

from apps.captioning.config import PRESETS, Config
from pipelines.commands.entry import command


@command(Config, presets=PRESETS)
def main(config):
    """Reads the data, builds the model, fits it, and evaluates its best epoch on the test split."""
    import layers
    from apps.captioning import data, model
    from apps.captioning.inference import Captioner
    from pipelines.training import fitting
    from pipelines.training.token_loss import TokenCrossentropy

    run = fitting.start("captioning", config, layers.ModelParallel)
    rows = data.read(config)
    monitor = data.choose_monitor(rows["validation"], config)
    tokenizer = data.train_tokenizer(rows["train"], config)
    training = data.open_split(rows["train"], config, flip=config.flip)
    validation = data.open_split(rows["validation"], config)
    groups = data.group_captions(training, tokenizer, config)
    batches = data.training_batches(training, groups, config)
    shape, tokens = training.arrays[0].shape[1:], tokenizer.vocabulary_size
    network = model.build(config, shape, tokens)
    captioner = Captioner(network, tokenizer, config, training.backbone)

    run.create(captioner, f"{len(training.rows):,} training images", f"{tokens:,} tokens")
    if config.learns_concepts_first:
        learn_concepts(run, network, data.concept_batches(training, groups, config))
    loss = TokenCrossentropy(config.label_smoothing)
    fitting.compile_model(network, config, batches, loss=loss)
    fitting.fit(
        run,
        network,
        batches,
        validation=data.validation_batches(validation, tokenizer, config),
        score=lambda: captioner.evaluate(validation, decode="greedy"),
        monitor=monitor,
    )
    report = run.report("test")
    Captioner.load(run.folder, config).evaluate(rows["test"], report)


def learn_concepts(run, network, batches):
    """Teaches a new encoder what each cell holds, so that attention finds something to look for."""
    import layers
    from pipelines.training import fitting

    config, epochs = run.config, run.config.concept_epochs
    detector = network.concept_detector()
    fitting.compile_model(detector, config, batches, epochs, loss=layers.concept_loss)
    fitting.fit(run, detector, batches, epochs=epochs, stage="concepts")
    # From here on its statistics stand, which the small batches of captions would only blur.
    network.encoder.freeze_statistics()


if __name__ == "__main__":
    main()
