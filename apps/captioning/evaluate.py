"""Scores a finished run on a whole split: `python -m apps.captioning.evaluate --run FOLDER`."""

from dataclasses import dataclass
from pathlib import Path

from apps.captioning.config import Config, Evaluation
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags and evaluates."""
    arguments = flags.parse(Evaluation, argv, prog="python -m apps.captioning.evaluate")
    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.captioning import data
    if arguments.device == "gpu":
        devices.require_gpu()
    captioner, tokenizer = load(folder)
    rows = data.read(config)[arguments.split]
    split = data.open_split(rows, config, saved_backbone=folder / "backbone.keras")
    evaluate(folder, config, captioner, tokenizer, split, arguments.split)


def load(folder):
    """The captioner and the tokenizer of a run."""
    from apps.captioning import model  # noqa: F401
    from pipelines.text.tokenizer import Tokenizer

    return runs.load_model(folder), Tokenizer.load(folder)


def evaluate(folder, config, captioner, tokenizer, split, split_name, training_seconds=None):
    """Decodes a split, writes `metrics.json` and the maps into the run, and prints the metrics."""
    generator = make_generator(captioner, config)
    described = describe(generator, split, tokenizer, config.decode_batch_size)
    metrics = score(described, split)
    report = runs.write_report(
        folder,
        dataset=config.dataset,
        split=split_name,
        examples=len(split.rows),
        training_seconds=training_seconds,
        parameters=captioner.count_params(),
        metrics=metrics,
    )
    write_captions(folder / f"captions_{split_name}.jsonl", described, split)
    page = draw(folder / "maps", described, split, metrics)
    terminal.console.print(f"maps: {page}")
    return report


def make_generator(captioner, config, method=None):
    """The decoder that a configuration describes."""
    from pipelines.decoding.generator import Generator

    return Generator(
        captioner,
        config.max_tokens,
        method=method or config.decode,
        beams=config.beams,
        length_penalty=config.length_penalty,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        seed=config.seed,
        min_length=1,  # A picture without a caption helps nobody.
    )


@dataclass(frozen=True)
class Description:
    """What was said of one picture.

    Attributes:
        caption: The text.
        words: Its words.
        token_words: The word of each token, -1 for the end and what follows it.
        weights: `(T, S)`, what each token looked at.
        grid: Rows and columns of the S cells.
    """

    caption: str
    words: list
    token_words: list
    weights: object
    grid: tuple

    @property
    def map(self):
        """The attention map of the words over the cells."""
        from pipelines.maps.attention_maps import attention_maps

        return attention_maps(self.words, self.weights, self.token_words, self.grid)


def describe(generator, split, tokenizer, batch_size):
    """Decodes all pictures of a split, in order."""
    from apps.captioning import data

    decoded = generator.predict(data.picture_batches(split, batch_size), verbose=0)
    grid = split.grid or generator.model.encoder.grid
    return [
        make_description(tokenizer, tokens, weights, grid)
        for tokens, weights in zip(decoded["tokens"], decoded["weights"], strict=True)
    ]


def make_description(tokenizer, tokens, weights, grid):
    """One decoded sequence `(T,)`, with its weights `(T, S)`, as text."""
    words, positions = tokenizer.words(tokens)
    token_words = [-1] * len(tokens)
    for word, tokens_of_word in enumerate(positions):
        for position in tokens_of_word:
            token_words[position] = word
    return Description(tokenizer.decode(tokens), words, token_words, weights, grid)


def score(described, split):
    """All metrics of a decoded split; those of the objects where the data set knows them."""
    from apps.captioning import data
    from pipelines.metrics import captions

    hypotheses = [description.caption for description in described]
    metrics = captions.score(hypotheses, split.references)
    if data.know_objects(split.rows):
        metrics.update(score_objects(described, split))
    return metrics


def score_objects(described, split):
    """Whether captions are true, and whether their object words look at the object."""
    from pipelines.builtin import scenes
    from pipelines.images import image_files

    return scenes.score_objects(
        [description.caption for description in described],
        split.rows,
        [description.map.peaks for description in described],
        [image_files.dimensions(file) for file in split.files],
        described[0].grid,
    )


def write_captions(path, described, split):
    """What was said of each picture, beside its references, a line each."""
    import json

    lines = [
        json.dumps(
            {
                "file_name": row["file_name"],
                "caption": description.caption,
                "captions": row["captions"],
            },
            ensure_ascii=False,
        )
        for description, row in zip(described, split.rows, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def draw(folder, described, split, metrics, pictures=8, on_page=24):
    """Draws the maps of the first pictures: a PNG each, one page and the arrays of all of these."""
    from pipelines.images import image_files
    from pipelines.maps import gallery
    from pipelines.maps.image_maps import ImageMap

    shown = [i for i, description in enumerate(described) if description.words][:on_page]
    maps = [
        ImageMap(
            described[i].map,
            image_files.load(split.files[i], 256),
            described[i].caption,
            split.rows[i]["captions"],
        )
        for i in shown
    ]
    names = [Path(split.files[i]).stem for i in shown]
    return gallery.write(folder, maps, names, metrics, pictures)


if __name__ == "__main__":
    main()
