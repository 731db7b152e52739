"""Scores a finished run on a whole split: `python -m apps.understanding.evaluate --run FOLDER`."""

import json
from pathlib import Path

from apps.understanding.config import Config, Evaluation
from pipelines.commands import devices, errors, flags, runs, terminal

MONITORS = {"sentiment": "accuracy", "ner": "span_f1", "qa": "f1"}


@errors.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = flags.parse(Evaluation, argv, prog="python -m apps.understanding.evaluate")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.understanding import data
        from apps.understanding.reading import Reader
    if arguments.device == "gpu":
        devices.require_gpu()
    reader = Reader.load(folder, config)
    wanted = (arguments.split,)
    if config.task == "ner" and arguments.dataset is None:
        wanted = ("train", *wanted)  # The baseline is a dictionary of its entities.
    rows = data.read(config, wanted)
    data.report_unknown(config.task, rows[arguments.split], arguments.split, reader.classes)
    evaluate(folder, config, reader, rows, arguments.split)


def evaluate(folder, config, reader, rows, split, training_seconds=None):
    """Reads a split, writes `metrics.json` and the maps into the run, prints the metrics.

    Args:
        folder: The run.
        config: Its `Config`.
        reader: Its `Reader`.
        rows: Of `data.read`: those of the split, and for the baseline of entities those of
            training, if they are there.
        split: Which one.
        training_seconds: What training took; `None` keeps what is written there.
    """
    from apps.understanding import maps

    chosen = rows[split]
    found = reader.read(chosen)
    metrics = score(config.task, found, chosen)
    if config.task == "ner" and "train" in rows:
        metrics |= dictionary_baseline(rows["train"], chosen)
    report = runs.write_report(
        folder,
        dataset=config.dataset,
        split=split,
        examples=len(chosen),
        training_seconds=training_seconds,
        parameters=reader.model.count_params(),
        metrics=metrics,
    )
    lines = [
        json.dumps({**row, "found": each}, ensure_ascii=False)
        for row, each in zip(chosen, found, strict=True)
    ]
    (folder / f"predictions_{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    if config.task != "qa":
        write_classes(folder / f"classes_{split}.csv", config.task, found, chosen)
    page = maps.draw(folder / "maps", reader, chosen, found, metrics)
    terminal.console.print(f"maps: {page}")
    return report


def score(task, found, rows):
    """All metrics of a split.

    Args:
        task: "sentiment", "ner" or "qa".
        found: Of `Reader.read`.
        rows: With the truth; what no model can know counts as wrong.
    """
    return {"sentiment": _score_labels, "ner": _score_entities, "qa": _score_answers}[task](
        found, rows
    )


def _score_labels(found, rows):
    from pipelines.metrics import classification

    truth, predicted = [row["label"] for row in rows], [one["label"] for one in found]
    return classification.score_labels(truth, predicted)


def _score_entities(found, rows):
    from pipelines.metrics import span_scores

    return span_scores.score([row["tags"] for row in rows], [one["tags"] for one in found])


def _score_answers(found, rows):
    from pipelines.metrics import answer_scores

    answers = [[answer["text"] for answer in row["answers"]] for row in rows]
    return answer_scores.score([one["answer"] for one in found], answers)


def dictionary_baseline(training, rows):
    """How far one gets by looking entities up among those of training."""
    from pipelines.metrics.dictionary_tagger import DictionaryTagger

    dictionary = DictionaryTagger(training)
    found = [{"tags": dictionary.tag(row["tokens"])} for row in rows]
    return {"dictionary_span_f1": _score_entities(found, rows)["span_f1"]}


def write_classes(path, task, found, rows):
    """Writes how each label or type of entity fares, a line each."""
    from pipelines.metrics import classification, span_scores

    field, score_each = {
        "sentiment": ("label", classification.label_scores),
        "ner": ("tags", span_scores.type_scores),
    }[task]
    scores = score_each([row[field] for row in rows], [one[field] for one in found])
    classification.write_class_scores(path, scores)


if __name__ == "__main__":
    main()
