"""Trains a summarization model: `python -m apps.summarization.train --help`."""

import dataclasses

from apps.summarization.config import PRESETS, Config
from pipelines.commands.entry import command


@command(Config, presets=PRESETS)
def main(config):
    """Reads the data, builds the model, fits it, and evaluates its best epoch on the test split."""
    import layers
    from apps.summarization import data, model
    from apps.summarization.inference import Summarizer
    from pipelines.text import word_vectors
    from pipelines.training import fitting
    from pipelines.training.pointer_loss import PointerCrossentropy
    from pipelines.training.token_loss import TokenCrossentropy

    run = fitting.start("summarization", config, layers.ModelParallel)
    splits = data.read(config)
    tokenizer = data.train_tokenizer(splits["train"], config)
    buckets = data.make_buckets(splits["train"], tokenizer, config)
    validation = splits["validation"][: config.max_validation]
    network = model.build(config, tokenizer.vocabulary_size)
    if config.vectors is not None:
        word_vectors.assign(config.vectors, tokenizer, network.embedding)
    summarizer = Summarizer(network, tokenizer, config)

    documents, tokens = len(splits["train"]), tokenizer.vocabulary_size
    run.create(summarizer, f"{documents:,} training documents", f"{tokens:,} tokens")
    loss = TokenCrossentropy(config.label_smoothing)
    if config.copy:
        loss = PointerCrossentropy(tokens, config.label_smoothing)
    choice = {
        "validation": data.validation_batches(validation, tokenizer, config),
        "score": lambda: summarizer.evaluate(validation, baselines=False, decode="greedy"),
        "monitor": config.monitor,
    }
    batches = data.training_batches(buckets, tokenizer, config)
    fitting.compile_model(network, config, batches, loss=loss)
    fitting.fit(run, network, batches, **choice)

    if config.covers:
        # The coverage stage goes on from the best epoch, and draws its batches from the start.
        summarizer = Summarizer.load(run.folder, config)
        network, epochs = summarizer.model, config.coverage_epochs
        network.set_coverage(config.coverage_weight)
        batches = data.training_batches(buckets, tokenizer, config)
        slower = dataclasses.replace(config, learning_rate=config.learning_rate / 10)
        fitting.compile_model(network, slower, batches, epochs, loss=loss)
        fitting.fit(run, network, batches, **choice, epochs=epochs, stage="coverage")

    report = run.report("test")
    Summarizer.load(run.folder, config).evaluate(splits["test"], report)


if __name__ == "__main__":
    main()
