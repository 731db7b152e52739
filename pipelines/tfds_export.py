"""TensorFlow Datasets, written out once as a folder in the layout of `pipelines.sources`."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path

from pipelines.cache import progress_bar
from pipelines.console import UserError, quiet_start

# "restval" is what the COCO captions have left over; the literature trains on it too.
SPLIT_NAMES = {
    "train": ("train", "restval"),
    "validation": ("validation", "val", "dev", "valid"),
    "test": ("test",),
}
# The fields of a translation, in the order of a builder's `supervised_keys`.
SUPERVISED = ("source", "target")


class Export:
    """A TensorFlow data set that is to become a folder.

    Args:
        name: `tfds:NAME[/CONFIG]`.
        fields: The fields of a line, as in `sources.read_split`.
        candidates: For each field, the features that may hold it, as paths such as
            "captions/text"; by default the feature of the field's name, and for `source` and
            `target` those that the set itself has for input and target. For other languages, name
            them: `{"source": ("en",), "target": ("de",)}`. An image feature is written to a file,
            as it is encoded, and the field holds its name.
        data_dir: Where TensorFlow Datasets keeps its prepared sets.

    Raises:
        UserError: There is no such data set, or it lacks a field or a language.
    """

    def __init__(
        self,
        name: str,
        fields: Mapping[str, type | tuple[type, ...]],
        candidates: Mapping[str, Sequence[str]],
        data_dir: str | Path | None = None,
    ):
        self.name = name
        self.fields = fields
        self._builder = _builder(name, data_dir)
        self._features = {
            field: self._find(field, candidates.get(field, [field, *self._supervised(field)]))
            for field in fields
        }
        source, target = (self._features.get(field) for field in SUPERVISED)
        if source and source == target:
            raise UserError(f"{name}: source and target would both be '{source}'")

    @property
    def folder_name(self) -> str:
        """A name for the folder: the set, its configuration and version, fields and languages."""
        fields = (
            f"{field}_{self._features[field]}" if field in SUPERVISED else field
            for field in self.fields
        )
        return "-".join(["tfds", self._builder.info.full_name, *fields]).replace("/", "-")

    def write(self, folder: Path) -> None:
        """Writes the splits into an empty folder; downloads and prepares the set if need be.

        Raises:
            UserError: The set is not prepared and cannot be downloaded.
        """
        try:
            self._builder.download_and_prepare()
        except Exception as error:  # Each data set fails in its own way.
            raise UserError(
                f"{self.name} is not prepared in {self._builder.data_dir} and could not be "
                f"downloaded ({_first_line(error)}): prepare it where there is a network, and "
                f"name its folder with --data-dir"
            ) from error
        (folder / "images").mkdir()
        for split, names in SPLIT_NAMES.items():
            there = [name for name in names if name in self._builder.info.splits]
            for part in there if split == "train" else there[:1]:
                self._write_split(folder, split, part)

    def _write_split(self, folder: Path, split: str, part: str) -> None:
        total = self._builder.info.splits[part].num_examples
        lines = []
        with progress_bar() as progress:
            task = progress.add_task(f"writing {self.name} {part}", total=total)
            for number, example in enumerate(self._examples(part)):
                row = {}
                for field in self.fields:
                    value = self._value(field, example)
                    if isinstance(value, bytes):
                        ending = "jpg" if value.startswith(b"\xff\xd8") else "png"
                        file_name = f"images/{part}-{number:07d}.{ending}"
                        (folder / file_name).write_bytes(value)
                        value = file_name
                    row[field] = value
                if all(row.values()):  # Captions or labels of a test split may be kept secret.
                    lines.append(json.dumps(row, ensure_ascii=False) + "\n")
                progress.advance(task)
        if lines:
            with open(folder / f"{split}.jsonl", "a", encoding="utf-8") as file:
                file.writelines(lines)

    def _examples(self, part: str) -> Iterator[dict]:
        import tensorflow_datasets as tfds

        wanted, decoders = {}, {}
        for path in self._features.values():
            if not (keys := self._parsed(path)):
                continue
            *parents, leaf = keys
            reduce(lambda level, key: level.setdefault(key, {}), parents, wanted)[leaf] = True
            if isinstance(self._feature(path), tfds.features.Image):
                inner = reduce(lambda level, key: level.setdefault(key, {}), parents, decoders)
                inner[leaf] = tfds.decode.SkipDecoding()
        # What is not wanted is not even parsed.
        decoding = tfds.decode.PartialDecoding(wanted, decoders=decoders) if wanted else None
        return iter(tfds.as_numpy(self._builder.as_dataset(split=part, decoders=decoding)))

    def _parsed(self, path: str) -> list[str]:
        """Returns the keys of a path as far as features are parsed one by one.

        A translation is parsed as a whole.
        """
        import tensorflow_datasets as tfds

        feature, keys = self._builder.info.features, []
        for key in path.split("/"):
            if isinstance(feature, tfds.features.Translation):
                break
            feature = getattr(feature, "feature", feature)[key]
            keys.append(key)
        return keys

    def _value(self, field: str, example: dict) -> str | list[str] | bytes:
        """Returns a field's text or texts, or the bytes of its image file."""
        import tensorflow_datasets as tfds

        path = self._features[field]
        feature = self._feature(path)
        value = reduce(lambda level, key: level[key], path.split("/"), example)
        if isinstance(feature, tfds.features.Image):
            return value
        if isinstance(feature, tfds.features.ClassLabel):
            return feature.int2str(int(value)) if value >= 0 else ""
        values = [value] if isinstance(value, bytes) else list(value)
        texts = [text for value in values if (text := value.decode("utf-8", "replace").strip())]
        kind = self.fields[field]
        as_list = kind is list or (kind is not str and not isinstance(value, bytes))
        return texts if as_list else " ".join(texts)

    def _supervised(self, field: str) -> list[str]:
        """Returns the feature that the set has for input or target, if it is a text."""
        import tensorflow_datasets as tfds

        keys = dict(zip(SUPERVISED, self._builder.info.supervised_keys or (), strict=False))
        feature = isinstance(keys.get(field), str) and self._feature(keys[field])
        return [keys[field]] if isinstance(feature, tfds.features.Text) else []

    def _find(self, field: str, paths: Sequence[str]) -> str:
        for path in paths:
            if self._feature(path) is not None:
                return path
        if languages := getattr(self._builder.info.features, "languages", None):
            raise UserError(
                f"{self.name} has no language '{paths[0]}': it has {', '.join(languages)}"
            )
        raise UserError(
            f"{self.name} has nothing for the field '{field}' (looked for {', '.join(paths)}): "
            f"its features are {', '.join(self._builder.info.features)}"
        )

    def _feature(self, path: str):
        """Returns the image, label, text or sequence of texts at a path, None if there is none."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        feature = self._builder.info.features
        for key in path.split("/"):
            feature = getattr(feature, "feature", feature)  # What a sequence is made of.
            if not hasattr(feature, "keys") or key not in feature:
                return None
            feature = feature[key]
        if isinstance(feature, tfds.features.Image | tfds.features.ClassLabel):
            return feature
        content = getattr(feature, "feature", feature)
        is_text = not hasattr(content, "keys") and tf.as_dtype(content.dtype) == tf.string
        return feature if is_text else None


def _builder(name: str, data_dir: str | Path | None):
    with quiet_start():
        import tensorflow  # noqa: F401  TensorFlow Datasets imports it late, and loudly.
        import tensorflow_datasets as tfds
    wanted = name.removeprefix("tfds:")
    try:
        return tfds.builder(wanted, data_dir=data_dir and Path(data_dir).expanduser())
    except tfds.core.DatasetNotFoundError:
        nearest = difflib.get_close_matches(wanted.split("/")[0], tfds.list_builders())
        raise UserError(
            f"unknown data set '{name}': TensorFlow Datasets has no such name"
            + (f", the nearest are {', '.join(nearest)}" if nearest else "")
        ) from None
    except Exception as error:  # An unknown configuration or version, or a package that it needs.
        raise UserError(f"cannot open {name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
