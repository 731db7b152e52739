"""Trains a translation model: `python -m apps.translation.train --help`."""

from apps.translation.config import PRESETS, Config
from pipelines.commands.entry import command


@command(Config, presets=PRESETS)
def main(config):
    """Reads the data, builds the model, fits it, and evaluates its best epoch on the test split."""
    import layers
    from apps.translation import data, model
    from apps.translation.inference import Translator
    from pipelines.training import fitting
    from pipelines.training.token_loss import TokenCrossentropy

    run = fitting.start("translation", config, layers.ModelParallel)
    splits = data.read(config)
    tokenizer = data.train_tokenizer(splits["train"], config)
    batches = data.training_batches(splits["train"], tokenizer, config)
    validation = splits["validation"][: config.max_validation]
    network = model.build(config, tokenizer.vocabulary_size)
    translator = Translator(network, tokenizer, config)

    pairs, tokens = len(splits["train"]), tokenizer.vocabulary_size
    run.create(translator, f"{pairs:,} training pairs", f"{tokens:,} tokens")
    loss = TokenCrossentropy(config.label_smoothing)
    fitting.compile_model(network, config, batches, loss=loss)
    fitting.fit(
        run,
        network,
        batches,
        validation=data.validation_batches(validation, tokenizer, config),
        score=lambda: translator.evaluate(validation, decode="greedy"),
        monitor=data.choose_monitor(validation, config),
    )
    report = run.report("test", dataset=config.data_of("test"))
    Translator.load(run.folder, config).evaluate(splits["test"], report)


if __name__ == "__main__":
    main()
