"""Trains a speech recognizer: `python -m apps.speech.train --help`."""

from apps.speech.config import PRESETS, Config, pretrained
from pipelines.commands.entry import command


@command(Config, presets=PRESETS, open_preset=pretrained)
def main(config):
    """Reads the data, makes or opens the model, fits it, and evaluates its best epoch on test."""
    import layers
    from apps.speech import data, model
    from apps.speech.inference import Recognizer
    from pipelines.audio.utterances import id_counts
    from pipelines.training import fitting

    run = fitting.start("speech", config, layers.ModelParallel)
    objective = model.objective(config)
    if config.whisper is not None:
        recognizer = Recognizer.load(config.whisper, config)
    splits = data.read(config)
    utterances = data.listen(splits["train"], config, training=True)
    validation = data.listen(splits["validation"][: config.max_validation], config)
    if config.whisper is None:
        run.config = config = data.limit_pieces(utterances, config)
        recognizer = _make(splits["train"], utterances, config)
    tokenizer, front_end = recognizer.tokenizer, recognizer.front_end
    tokens = data.encode(utterances, tokenizer, front_end, config)
    batches = data.training_batches(utterances, tokens, front_end, config)

    run.create(
        recognizer,
        f"{sum(id_counts(tokens) > 0):,} training utterances",
        f"{utterances.hours(tokens):.1f} hours",
        f"{tokenizer.vocabulary_size:,} units",
    )
    fitting.compile_model(recognizer.model, config, batches, **objective)
    fitting.fit(
        run,
        recognizer.model,
        batches,
        validation=data.validation_batches(validation, tokenizer, front_end, config),
        score=lambda: recognizer.evaluate(validation, **config.quick),
        monitor="-wer",
    )
    report = run.report("test")
    Recognizer.load(run.folder, config).evaluate(splits["test"], report)


def _make(rows, utterances, config):
    """A recognizer of our own, with all that it takes from the training split."""
    from apps.speech import data, model
    from apps.speech.inference import Recognizer
    from pipelines.audio.front_ends import LogMels

    tokenizer = data.train_tokenizer(rows, config)
    language_model = data.train_language_model(rows, tokenizer, config)
    network = model.build(config, tokenizer.vocabulary_size)
    front_end = LogMels(data.train_normalization(rows, utterances), config.max_seconds)
    return Recognizer(network, tokenizer, front_end, config, lambda: language_model)


if __name__ == "__main__":
    main()
