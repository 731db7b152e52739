"""Scores a finished run on a whole split: `python -m apps.vision.evaluate --run FOLDER`."""

from pathlib import Path

from apps.vision.config import Config, Evaluation
from pipelines import console, runs


@console.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = console.parse(Evaluation, argv, prog="python -m apps.vision.evaluate")
    folder = Path(arguments.run)
    config = console.override(runs.load(folder, Config), arguments)
    console.select_device(arguments.device, config.op_threads)
    with console.quiet_start():
        import tensorflow  # noqa: F401

        from apps.vision import data
    if arguments.device == "gpu":
        console.require_gpu()
    classifier, names = load(folder)
    rows = data.read(config)[arguments.split]
    data.check_labels(rows, names, arguments.split)
    *_, size, channels = classifier.tokenizer.input_shape
    split = data.open_split(rows, size, channels)
    evaluate(folder, config, classifier, names, split, arguments.split)


def load(folder):
    """The classifier of a run and the names of its classes."""
    from apps.vision import model  # noqa: F401

    path = folder / "labels.json"
    try:
        names = runs.read_json(path)
    except (OSError, ValueError) as error:
        raise console.UserError(f"{path} cannot be read: {error}") from error
    return runs.load_model(folder), names


def make_scorer(classifier, config):
    """A model from pixels to probabilities; with `test_flip`, the mean over both mirror images."""
    import keras

    pixels = keras.Input(classifier.tokenizer.input_shape[1:])
    softmax = keras.layers.Softmax(dtype="float32")
    probabilities = softmax(classifier(pixels))
    if config.test_flip:
        mirrored = keras.ops.flip(pixels, axis=2)
        probabilities = (probabilities + softmax(classifier(mirrored))) / 2
    return keras.Model(pixels, probabilities)


def evaluate(folder, config, classifier, names, split, split_name, training_seconds=None):
    """Scores a split, prints the metrics, and writes all that is to be seen of them into the run.

    These are `metrics.json`, and of the split a line for each picture, a table of the classes, the
    confusion matrix, and maps.
    """
    from apps.vision import data, maps
    from pipelines import classification
    from pipelines.confusion_pictures import draw_confusion

    scorer, labels = make_scorer(classifier, config), split.labels(names)
    probabilities = scorer.predict(data.picture_batches(split, config.batch_size), verbose=0)
    matrix = classification.confusion_matrix(labels, probabilities.argmax(axis=1), len(names))
    classes = classification.class_scores(matrix, names)
    print_classes(classes)
    report = runs.write_report(
        folder,
        dataset=config.dataset,
        split=split_name,
        examples=len(split.rows),
        training_seconds=training_seconds,
        parameters=classifier.count_params(),
        metrics=classification.score(probabilities, labels),
    )
    write_predictions(folder / f"predictions_{split_name}.jsonl", probabilities, names, split)
    classification.write_class_scores(folder / f"classes_{split_name}.csv", classes)
    draw_confusion(folder / f"confusion_{split_name}.png", matrix, names)
    truth = [row["label"] for row in split.rows]
    page = maps.draw(folder / "maps", classifier, split.files, probabilities, names, truth)
    console.console.print(f"maps: {page}", highlight=False, soft_wrap=True)
    return report


def print_classes(classes, most=20):
    """Prints the scores of the classes, the worst where there are many."""
    from rich.table import Table
    from rich.text import Text

    shown = classes
    if len(classes) > most:
        console.console.print(f"the {most} worst of {len(classes)} classes", highlight=False)
        shown = sorted(classes, key=lambda row: row.f1)[:most]
    table = Table("class", *("precision", "recall", "f1", "pictures"), box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in shown:
        values = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1))
        table.add_row(Text(row.name), *values, f"{row.support:,}")
    console.console.print(table, highlight=False)


def write_predictions(path, probabilities, names, split):
    """What each picture was taken for, a line each."""
    import json

    lines = [
        json.dumps(
            {
                "file_name": row["file_name"],
                "label": row["label"],
                "predicted": names[best],
                "probability": round(float(shares[best]), 4),
            },
            ensure_ascii=False,
        )
        for row, shares, best in zip(
            split.rows, probabilities, probabilities.argmax(axis=1), strict=True
        )
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
