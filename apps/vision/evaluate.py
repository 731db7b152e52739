"""Scores a finished run on a whole split: `python -m apps.vision.evaluate --run FOLDER`."""

from pathlib import Path

from apps.vision.config import Config, Evaluation
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = flags.parse(Evaluation, argv, prog="python -m apps.vision.evaluate")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.vision import data
    if arguments.device == "gpu":
        devices.require_gpu()
    classifier, names = load(folder)
    channels = classifier.tokenizer.input_shape[-1]
    rows = data.read(config, (arguments.split,))[arguments.split]
    split = data.open_split(rows, config.image_size, channels)
    data.check_labels(split.rows, names, arguments.split)
    flip = arguments.test_flip
    evaluate(folder, config, classifier, names, split, arguments.split, test_flip=flip)


def load(folder):
    """The classifier of a run and the names of its classes."""
    from apps.vision import model  # noqa: F401

    path = folder / "labels.json"
    try:
        names = runs.read_json(path)
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path} cannot be read: {error}") from error
    return runs.load_model(folder), names


def make_scorer(classifier, test_flip=False):
    """A model from pixels to probabilities; with `test_flip`, the mean over both mirror images."""
    import keras

    pixels = keras.Input(classifier.tokenizer.input_shape[1:])
    softmax = keras.layers.Softmax(dtype="float32")
    probabilities = softmax(classifier(pixels))
    if test_flip:
        mirrored = keras.ops.flip(pixels, axis=2)
        probabilities = (probabilities + softmax(classifier(mirrored))) / 2
    return keras.Model(pixels, probabilities)


def evaluate(
    folder, config, classifier, names, split, split_name, training_seconds=None, test_flip=False
):
    """Scores a split, prints the metrics, and writes all that is to be seen of them into the run.

    These are `metrics.json`, and of the split a line for each picture, a table of the classes, the
    confusion matrix, and maps.
    """
    from apps.vision import data
    from pipelines.maps.confusion_pictures import draw_confusion
    from pipelines.metrics import classification

    scorer, labels = make_scorer(classifier, test_flip), split.labels(names)
    probabilities = scorer.predict(data.picture_batches(split, config.batch_size), verbose=0)
    matrix = classification.confusion_matrix(labels, probabilities.argmax(axis=1), len(names))
    classes = classification.class_scores(matrix, names)
    print_classes(classes)
    metrics = classification.score(probabilities, labels)
    report = runs.write_report(
        folder,
        dataset=config.dataset,
        split=split_name,
        examples=len(split.rows),
        training_seconds=training_seconds,
        parameters=classifier.count_params(),
        metrics=metrics,
    )
    write_predictions(folder / f"predictions_{split_name}.jsonl", probabilities, names, split)
    classification.write_class_scores(folder / f"classes_{split_name}.csv", classes)
    draw_confusion(folder / f"confusion_{split_name}.png", matrix, names)
    page = draw_some(folder / "maps", classifier, split, probabilities, names, metrics)
    terminal.console.print(f"maps: {page}")
    return report


def draw_some(folder, classifier, split, probabilities, names, metrics, most=24):
    """Draws what was looked at in some pictures of a split, a third of them mistaken ones."""
    import numpy as np

    from apps.vision import data

    wrong = np.flatnonzero(probabilities.argmax(axis=1) != split.labels(names))[: most // 3]
    even = np.linspace(0, len(split.rows) - 1, most - len(wrong)).astype(int)
    shown = np.union1d(wrong, even)
    classes = [top(probabilities[i], names) for i in shown]
    captions = [
        describe(likeliest[0][0], split.rows[i]["label"])
        for i, likeliest in zip(shown, classes, strict=True)
    ]
    files = [split.files[i] for i in shown]
    file_names = [f"{i:05d}-{file.stem}" for i, file in zip(shown, files, strict=True)]
    pixels = data.gather(split, shown)
    return draw(folder, classifier, pixels, files, file_names, captions, classes, metrics)


def describe(predicted, label=None):
    """What is said of a picture: the class that it was taken for, beside the true one if known."""
    if label is None:
        return f"Predicted {predicted}"
    verdict = "correct" if predicted == label else "wrong"
    return f"True {label} / predicted {predicted} ({verdict})"


def draw(folder, classifier, pixels, files, names, captions, classes, scores=None, drawn=8):
    """Draws what was looked at.

    Args:
        folder: Where the maps go.
        classifier: The model.
        pixels: `(M, size, size, C)`, what it sees.
        files: The pictures.
        names: What the maps are called.
        captions: What is said of the pictures.
        classes: Of each the likeliest, with their probabilities, see `top`.
        scores: Metrics for the page.
        drawn: How many pictures get a map in a file of its own.

    Returns:
        The path of a page with all of them.
    """
    from apps.vision import maps
    from pipelines.images import image_files
    from pipelines.maps import gallery
    from pipelines.maps.image_maps import ImageMap

    looked = maps.look(classifier, pixels)
    shown = [
        ImageMap(each, image_files.load(file, 256), caption, classes=likeliest)
        for each, file, caption, likeliest in zip(looked, files, captions, classes, strict=True)
    ]
    return gallery.write(folder, shown, names, scores, drawn)


def top(shares, names, most=3):
    """The likeliest classes of one picture, each with its probability."""
    places = sorted(range(len(names)), key=lambda place: -shares[place])[:most]
    return [(names[place], float(shares[place])) for place in places]


def print_classes(classes, most=20):
    """Prints the scores of the classes, the worst where there are many."""
    from rich.table import Table
    from rich.text import Text

    shown = classes
    if len(classes) > most:
        terminal.console.print(f"the {most} worst of {len(classes)} classes")
        shown = sorted(classes, key=lambda row: row.f1)[:most]
    table = Table("class", *("precision", "recall", "f1", "pictures"), box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in shown:
        values = (f"{value:.3f}" for value in (row.precision, row.recall, row.f1))
        table.add_row(Text(row.name), *values, f"{row.support:,}")
    terminal.console.print(table, soft_wrap=False)


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
