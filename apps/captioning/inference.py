"""A trained captioner, for Python and for the commands."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import layers
from apps.captioning import data, maps
from apps.captioning.config import Config
from pipelines.builtin import scenes
from pipelines.commands import runs
from pipelines.commands.cluster import processes
from pipelines.commands.terminal import console
from pipelines.decoding.generator_cache import Generators
from pipelines.decoding.result import Alternative, Result
from pipelines.images import backbones, image_files
from pipelines.maps.attention_maps import AttentionMap, attention_maps
from pipelines.maps.image_maps import ImageMap
from pipelines.metrics import captions
from pipelines.text.divided_words import divided_words
from pipelines.text.tokenizer import Tokenizer

AT_ONCE = 256  # Images whose pixels are in memory.


@dataclass(frozen=True, eq=False, kw_only=True)
class Caption(Result):
    """What an image was described as.

    Attributes:
        image: The image: a path or pixels, as it was given.
        text: Its caption.
        map: What each word attended to, without the image: `attention` lays it over that.
    """

    image: Path | str | np.ndarray
    text: str
    map: AttentionMap = dataclasses.field(repr=False)

    @property
    def words(self):
        """The words of the caption."""
        return self.map.words


class Captioner:
    """A captioning model with its tokenizer.

    Example:
    ```python
    captioner = Captioner.load("runs/captioning/latest")
    result = captioner.predict("photo.jpg", beams=4)[0]
    print(result.text, result.score, result.alternatives)
    result.attention.save("map.png")
    ```

    Args:
        model: A model that `apps.captioning.model.build` made.
        tokenizer: The `Tokenizer` of the captions.
        config: The run's `Config`: how images are encoded, and, by default, captions decoded.
        backbone: Path of a copy of the frozen backbone; by default the original, which the
            configuration names. It is opened only if there are images without features.
    """

    def __init__(self, model, tokenizer, config, backbone=None):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.backbone = backbone
        self._generators = Generators(model, min_length=1)  # An empty caption helps nobody.

    @classmethod
    def load(cls, run, config=None, **decoding):
        """Opens a finished run.

        Args:
            run: Its folder.
            config: A `Config` in place of the one in the folder.
            **decoding: Fields of the configuration to replace, such as `beams=8`.

        Raises:
            UserError: The folder is not a run, or a file in it is damaged.
        """
        config = dataclasses.replace(config or runs.load(run, Config), **decoding)
        model, tokenizer = runs.load_model(run, layers.ImageCaptioner), Tokenizer.load(run)
        tokens = model.decoder.vocabulary_size
        runs.check_together(run, "tokens", tokenizer.vocabulary_size, tokens)
        return cls(model, tokenizer, config, Path(run) / data.BACKBONE)

    def save_preprocessing(self, folder):
        """Writes what `load` reads besides the model."""
        self.tokenizer.save(folder)
        if self.config.has_features:
            name = str(self.backbone or self.config.backbone)
            backbones.save(name, self.config.image_size, folder / data.BACKBONE)

    def predict(self, inputs, skipped=None, alternatives=None, **decoding):
        """Captions images.

        Args:
            inputs: Paths, pixels `(height, width, 3)`, uint8, or rows with a `path` or `file_name`
                and perhaps, for the map, `captions`. One alone is taken too.
            skipped: A list that takes the position and the `UserError` of each image that cannot
                be read.
            alternatives: How many further outputs of beam search each result has; by default all
                of the beam.
            **decoding: Fields of the configuration to replace, such as `decode="greedy"`.

        Returns:
            A `Caption` for each image that can be read; its score is the log-probability that it
            was ranked by.

        Raises:
            UserError: An image cannot be read, and there is no `skipped`.
        """
        config = dataclasses.replace(self.config, **decoding)
        rows = image_files.as_rows(inputs)
        if alternatives is None:
            alternatives = config.beams - 1 if config.decode == "beam" else 0
        network = self._network if config.has_features else None
        # Whole batches, as evaluation decodes them.
        at_once = max(AT_ONCE // config.decode_batch_size, 1) * config.decode_batch_size
        images = [row["path"] for row in rows]
        results = []
        for positions, pixels in image_files.batches(
            images, config.image_size, at_once, skipped=skipped
        ):
            split = data.in_memory([rows[i] for i in positions], pixels, network)
            results += self._describe(split, config, alternatives)
        return results

    @functools.cached_property
    def _network(self):
        name = str(self.backbone or self.config.backbone)
        return backbones.open_frozen(name, self.config.image_size)

    def _describe(self, split, config, alternatives=0):
        """Captions all images of a split, in order."""
        generator = self._generators.get(config, config.max_tokens, alternatives)

        def decode(places):
            batches = data.picture_batches(split, config.decode_batch_size, places)
            decoded = generator.predict(batches, verbose=0)
            rows = range(len(places))
            return [{name: values[i] for name, values in decoded.items()} for i in rows]

        decoded = processes.divide(decode, range(len(split.rows)))
        grid = split.grid or self.model.encoder.grid
        return [self._result(*pair, grid) for pair in zip(split.rows, decoded, strict=True)]

    def _result(self, row, decoded, grid):
        tokens = decoded["tokens"]
        words, positions = divided_words(self.tokenizer, tokens)
        token_words = np.full(len(tokens), -1)
        for word, positions_of_word in enumerate(positions):
            token_words[positions_of_word] = word
        text = self.tokenizer.decode(tokens)
        map_ = attention_maps(words, decoded["weights"], token_words, grid)
        others = zip(
            decoded.get("alternatives", ()), decoded.get("alternative_scores", ()), strict=True
        )

        def look():
            image = image_files.load(row["path"], maps.IMAGE_SIZE)
            return ImageMap(map_, image, text, row.get("captions", ()))

        return Caption(
            image=row["path"],
            text=text,
            map=map_,
            score=float(decoded["score"]),
            alternatives=tuple(
                Alternative(self.tokenizer.decode(tokens), float(score))
                for tokens, score in others
                if score > -np.inf
            ),
            look=look,
        )

    def evaluate(self, rows, report=None, **decoding):
        """Captions images and compares with the captions that people wrote.

        Args:
            rows: Images with their `captions`, as of `data.read`, or an opened `data.Split`.
            report: A `pipelines.commands.runs.Report` to write metrics, captions and maps to.
            **decoding: Fields of the configuration to replace.

        Returns:
            The metrics; those of the objects only where the data set knows them.
        """
        config = dataclasses.replace(self.config, **decoding)
        split = rows
        if not isinstance(rows, data.Split):
            split = data.open_split(image_files.as_rows(rows), config, backbone=self.backbone)
        results = self._describe(split, config)
        texts = [result.text for result in results]
        metrics = captions.score(texts, split.references)
        if data.know_objects(split.rows):
            peaks = [result.map.peaks for result in results]
            sizes = [image_files.dimensions(result.image) for result in results]
            grid = results[0].map.weights.shape[1:]
            metrics |= scenes.score_objects(texts, split.rows, peaks, sizes, grid)
        if report is not None:
            report.write(metrics, len(results), self.model.count_params())
            report.write_rows(
                "captions",
                [
                    {"file_name": row["file_name"], "caption": text, "captions": row["captions"]}
                    for row, text in zip(split.rows, texts, strict=True)
                ],
            )
            console.print(f"maps: {maps.draw(report.folder / 'maps', results, metrics)}")
        return metrics
