"""Scores a finished run on a whole split: `python -m apps.speech.evaluate --run FOLDER`."""

import dataclasses
import json
from pathlib import Path

from apps.speech.config import Config, Evaluation, pretrained
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = flags.parse(Evaluation, argv, prog="python -m apps.speech.evaluate")
    folder, config = resolve(arguments)
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.speech import data
    if arguments.device == "gpu":
        devices.require_gpu()
    recognizer = load(folder, config)
    rows = data.read(config, wanted=(arguments.split,))[arguments.split]
    if arguments.preset is not None:
        runs.make_folder(folder)
        runs.write_json(folder / "config.json", dataclasses.asdict(config))
    evaluate(folder, config, recognizer, rows, arguments.split)


def resolve(arguments):
    """The folder of a run and its configuration, with what a command gives in place of its own.

    A pretrained Whisper has a folder as well, for what is written; its weights stay where they are.
    """
    if arguments.preset is None:
        folder = Path(arguments.run)
        return folder, flags.override(runs.load(folder, Config), arguments)
    config = flags.override(pretrained(arguments.preset), arguments)
    name = config.preset.partition("://")[2].replace("/", "_") or Path(config.preset).resolve().name
    return runs.ROOT / "speech" / f"pretrained-{name}", config


def load(folder, config):
    """The recognizer of a run or of a preset, decoding as the configuration says."""
    import layers
    from pipelines.audio import front_ends, whisper
    from pipelines.audio.normalization import Normalization
    from pipelines.decoding.ngrams import NGramModel
    from pipelines.text.speech_units import Units
    from pipelines.text.tokenizer import Tokenizer

    if config.whisper is None:
        return make_recognizer(
            runs.load_model(folder),
            Units.load(folder),
            front_ends.LogMels(Normalization.load(folder), config.max_seconds),
            config,
            language_model=NGramModel.load(folder) if config.language_model_weight else None,
        )
    if (folder / "model.keras").is_file():
        parts = runs.load_model(folder), Tokenizer.load(folder), whisper.load_extractor(folder)
        opened = whisper.Pretrained(*parts)
    else:
        opened = whisper.load(config.whisper, layers.Whisper)
    front_end = front_ends.WhisperMels(opened.extractor, config.max_seconds)
    return make_recognizer(opened.model, opened.tokenizer, front_end, config)


def make_recognizer(model, tokenizer, front_end, config, language_model=None, quick=False):
    """What transcribes as a configuration says; `quick` for one candidate at a time."""
    from pipelines.decoding.recognizer import Recognizer

    return Recognizer(
        model,
        tokenizer,
        front_end,
        "ctc" if quick and config.decoding == "ctc_beam" else config.decoding,
        max_length=config.max_target,
        beams=1 if quick else config.beams,
        ctc_weight=config.decode_ctc_weight,
        length_penalty=config.length_penalty,
        language_model=language_model,
        language_model_weight=config.language_model_weight,
        language_model_bonus=config.language_model_bonus,
    )


def evaluate(folder, config, recognizer, rows, split, training_seconds=None):
    """Transcribes a split, writes `metrics.json` and the maps into the run, prints the metrics."""
    from apps.speech import data

    sounds = data.listen(rows, config)
    heard = recognizer.transcribe(sounds.heard_by(recognizer.front_end), config.decode_batch_size)
    metrics = score(heard, sounds.rows, config)
    report = runs.write_report(
        folder,
        dataset=config.dataset,
        split=split,
        examples=len(sounds.rows),
        training_seconds=training_seconds,
        parameters=recognizer.model.count_params(),
        metrics=metrics,
    )
    lines = [
        json.dumps(
            {
                "file_name": row["file_name"],
                "transcript": one.text,
                "text": row["text"],
                "words": [[word, round(start, 2), round(end, 2)] for word, start, end in one.words],
            },
            ensure_ascii=False,
        )
        for row, one in zip(sounds.rows, heard, strict=True)
    ]
    (folder / f"transcripts_{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    page = draw(folder / "maps", heard, sounds.rows, recognizer, metrics)
    terminal.console.print(f"maps: {page}")
    return report


def score(heard, rows, config):
    """All metrics of a transcribed split."""
    from pipelines.metrics import attention_health, word_error_rate

    texts, references = [one.text for one in heard], [row["text"] for row in rows]
    if config.normalize:
        texts = [word_error_rate.normalize(text) for text in texts]
        references = [word_error_rate.normalize(text) for text in references]
    metrics = word_error_rate.score(texts, references)
    weights = [one.weights for one in heard if one.weights is not None]
    return {**metrics, **(attention_health.attention_health(weights) if weights else {})}


def draw(folder, heard, rows, recognizer, metrics, pictures=8, on_page=24):
    """Draws the maps of the first utterances: a PNG each, and one page of all of these."""
    from pipelines.audio import audio_files, log_mel
    from pipelines.maps import gallery, speech_maps

    shown = []
    for one, row in zip(heard[:on_page], rows, strict=False):
        sound = audio_files.read(row["file_name"])
        shown.append(
            speech_maps.speech_map(
                _within_sound(one),
                recognizer.tokenizer,
                log_mel.log_mel(sound).numpy(),
                reference=row["text"],
                name=Path(row["file_name"]).name,
                sound=sound,
                seconds_per_position=recognizer.front_end.seconds,
            )
        )
    return gallery.write(folder, shown, scores=metrics, pictures=pictures)


def _within_sound(one):
    """A `Heard` whose weights sum to one: a Whisper also attends to the silence after the sound."""
    if one.weights is None:
        return one
    sums = one.weights.sum(-1, keepdims=True)
    return dataclasses.replace(one, weights=one.weights / sums.clip(1e-9))


if __name__ == "__main__":
    main()
