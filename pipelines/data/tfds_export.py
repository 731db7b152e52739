"""TensorFlow Datasets, written out once as a folder in the layout of `pipelines.data.sources`."""

import contextlib
import difflib
import hashlib
import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile

from pipelines.commands.devices import quiet_start
from pipelines.commands.disk.files import write_json_lines
from pipelines.commands.errors import UserError, first_line, unknown
from pipelines.commands.terminal import progress_bar
from pipelines.data import beam
from pipelines.data.hub import one_attempt

VERSION = "1"  # to be raised with every change of what is written
# "restval" is what the COCO captions have left over; the literature trains on it too.
SPLIT_NAMES = {
    "train": ("train", "restval", "train_clean100", "train_clean360", "train_other500"),
    "validation": ("validation", "val", "dev", "valid", "dev_clean"),
    "test": ("test", "test_clean"),
}
# What the literature calls by these names are splits there, no configurations.
SUBSETS = {
    "librispeech/clean100": {
        "train": ("train_clean100",),
        "validation": ("dev_clean",),
        "test": ("test_clean",),
    },
    "librispeech/clean": {
        "train": ("train_clean100", "train_clean360"),
        "validation": ("dev_clean",),
        "test": ("test_clean",),
    },
    "librispeech/other": {
        "train": ("train_other500",),
        "validation": ("dev_other",),
        "test": ("test_other",),
    },
}
OWN_FEATURES = "tensorflow_datasets.core.features."
# The fields of a translation, in the order of a builder's `supervised_keys`.
SUPERVISED = ("source", "target")


def names() -> set[str]:
    """Returns names of data sets in TensorFlow Datasets without importing it, which takes seconds.

    Its folders name nearly all of them, which is good enough for a hint.
    """
    spec = importlib.util.find_spec("tensorflow_datasets")
    found = set()
    for folder in map(Path, spec.submodule_search_locations if spec else ()):
        found |= {path.stem for path in folder.glob("url_checksums/*.txt")}
        found |= {path.parent.name for path in folder.glob("datasets/*/__init__.py")}
    return found


class Export:
    """A TensorFlow data set that is to become a folder.

    Args:
        name: `tfds:NAME[/CONFIG]`, or `tfds:` and one of `SUBSETS`.
        fields: The fields of a line, as in `json_lines.read`.
        candidates: For each field, the features that may hold it, as paths such as
            "captions/text"; by default the feature of the field's name, and for `source` and
            `target` those that the set itself has for input and target. For other languages, name
            them: `{"source": ("en",), "target": ("de",)}`. An image feature is written to a file,
            as it is encoded, an audio feature as FLAC, and the field holds its name. A mapping
            from parts to such paths makes a list of objects:
            `{"answers": {"text": ("answers/text",), ...}}`.
        data_dir: Where TensorFlow Datasets keeps its prepared sets.

    Raises:
        UserError: There is no such data set, or it lacks a field or a language.
    """

    def __init__(
        self,
        name: str,
        fields: Mapping[str, type | tuple[type, ...]],
        candidates: Mapping[str, Sequence[str] | Mapping[str, Sequence[str]]],
        data_dir: str | Path | None = None,
    ):
        self.name = name
        self.fields = fields
        self._wanted = name.removeprefix("tfds:")
        self._splits = SUBSETS.get(self._wanted, SPLIT_NAMES)
        whole = self._wanted.split("/")[0] if self._wanted in SUBSETS else self._wanted
        self._builder = _builder(whole, data_dir)
        self._features = {
            field: self._find_parts(field, candidates.get(field, [field, *self._supervised(field)]))
            for field in fields
        }
        # Where something counts the words or characters of a text, the text must stay as it is.
        self._is_counted = any(
            isinstance(found, dict) or self._is_labels(found) for found in self._features.values()
        )
        source, target = (self._features.get(field) for field in SUPERVISED)
        if source and source == target:
            raise UserError(f"{name}: source and target would both be '{source}'")

    def folder_name(self) -> str:
        """Returns a name for the folder that changes with whatever decides what is written to it.

        That is the set, its configuration and version, fields and languages; and, as a digest,
        where the set lies and what lies there. So it is prepared first, if need be.

        Raises:
            UserError: The set is not prepared and cannot be downloaded.
        """
        self._prepare()
        fields = (
            f"{field}_{self._features[field]}" if field in SUPERVISED else field
            for field in self.fields
        )
        subset = [self._wanted.split("/")[1]] if self._wanted in SUBSETS else []
        parts = ["tfds", self._builder.info.full_name, *subset, *fields]
        return "-".join([*parts, self._digest()]).replace("/", "-")

    def _digest(self) -> str:
        data = str(self._builder.data_dir)
        digest = hashlib.blake2b(digest_size=4)
        digest.update(repr([VERSION, data, self.fields, self._features, self._splits]).encode())
        for file in sorted(Path(data).glob("*")):
            status = file.stat()
            digest.update(f"{file.name}|{status.st_size}|{status.st_mtime_ns}".encode())
            if file.suffix == ".json":  # Sizes of splits, and names of features and labels.
                digest.update(file.read_bytes())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Writes the splits into an empty folder; downloads and prepares the set if need be.

        Raises:
            UserError: The set is not prepared and cannot be downloaded.
        """
        self._prepare()
        for split, names in self._splits.items():
            there = [name for name in names if name in self._builder.info.splits]
            parts = there if split == "train" else there[:1]
            path = folder / f"{split}.jsonl"
            write_json_lines(path, chain.from_iterable(self._rows(folder, part) for part in parts))
            if path.stat().st_size == 0:
                path.unlink()

    def _prepare(self) -> None:
        try:
            with one_attempt():
                self._builder.download_and_prepare(**beam.preparation())
        except Exception as error:  # Each data set fails in its own way.
            raise UserError(
                f"{self.name} is not prepared in {self._builder.data_dir} and could not be "
                f"downloaded ({first_line(error)}): prepare it where there is a network, and "
                f"name its folder with --data-dir"
            ) from error

    def _rows(self, folder: Path, part: str) -> Iterator[dict]:
        """Yields the lines of a part, and writes the files that they name."""
        total = self._builder.info.splits[part].num_examples
        with progress_bar() as progress:
            task = progress.add_task(f"writing {self.name} {part}", total=total)
            for number, example in enumerate(self._examples(part)):
                row = {}
                for field in self.fields:
                    value = self._value(field, example)
                    if isinstance(value, bytes):
                        file_name = _media_name(value, f"{part}-{number:07d}")
                        (folder / file_name).parent.mkdir(exist_ok=True)
                        (folder / file_name).write_bytes(value)
                        value = file_name
                    row[field] = value
                if all(row.values()):  # Captions or labels of a test split may be kept secret.
                    yield row
                progress.advance(task)

    def _examples(self, part: str) -> Iterator[dict]:
        import tensorflow_datasets as tfds

        wanted, decoders = {}, {}
        for path in self._paths():
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

    def _paths(self) -> Iterator[str]:
        for found in self._features.values():
            yield from found.values() if isinstance(found, dict) else (found,)

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

    def _value(self, field: str, example: dict) -> str | list[str] | list[dict] | bytes:
        """Returns a field's text or texts, its objects, or the bytes of its image or audio."""
        found = self._features[field]
        if isinstance(found, dict):
            parts = [self._content(path, list, example) for path in found.values()]
            return [dict(zip(found, values, strict=True)) for values in zip(*parts, strict=True)]
        return self._content(found, self.fields[field], example)

    def _content(self, path: str, kind, example: dict):
        import tensorflow_datasets as tfds

        feature = self._feature(path)
        value = reduce(lambda level, key: level[key], path.split("/"), example)
        if isinstance(feature, tfds.features.Image):
            return value
        if isinstance(feature, tfds.features.Audio):
            return _flac(value, self._sample_rate(path))
        if isinstance(feature, tfds.features.ClassLabel):
            return feature.int2str(int(value)) if value >= 0 else ""
        if self._is_labels(path):
            return [feature.feature.int2str(int(number)) for number in value]
        values = [value] if isinstance(value, bytes) else list(value)
        if values and not isinstance(values[0], bytes):
            return [int(number) for number in values]
        texts = [value.decode("utf-8", "replace") for value in values]
        if not self._is_counted:
            texts = [text for text in map(str.strip, texts) if text]
        as_list = kind is list or (kind is not str and not isinstance(value, bytes))
        return texts if as_list else " ".join(texts)

    def _sample_rate(self, path: str) -> int:
        metadata = self._builder.info.metadata or {}
        rate = self._feature(path).sample_rate or metadata.get("sample_rate")
        if not rate:
            raise UserError(f"{self.name} does not tell how many samples a second '{path}' has")
        return rate

    def _supervised(self, field: str) -> list[str]:
        """Returns the feature that the set has for input or target, if it is a text."""
        import tensorflow_datasets as tfds

        keys = dict(zip(SUPERVISED, self._builder.info.supervised_keys or (), strict=False))
        feature = isinstance(keys.get(field), str) and self._feature(keys[field])
        return [keys[field]] if isinstance(feature, tfds.features.Text) else []

    def _find_parts(self, field: str, paths) -> str | dict[str, str]:
        if isinstance(paths, Mapping):
            return {part: self._find(field, some) for part, some in paths.items()}
        return self._find(field, paths)

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

    def _is_labels(self, path: str) -> bool:
        """Whether at a path is a sequence of labels."""
        import tensorflow_datasets as tfds

        content = getattr(self._feature(path), "feature", None)
        return isinstance(content, tfds.features.ClassLabel)

    def _feature(self, path: str):
        """Returns what is at a path if a line can hold it, else None.

        That is an image, audio, a label, a text, or a sequence of labels, of texts or of whole
        numbers.
        """
        import tensorflow as tf
        import tensorflow_datasets as tfds

        feature, is_sequence = self._builder.info.features, False
        for key in path.split("/"):
            is_sequence |= hasattr(feature, "feature")
            feature = getattr(feature, "feature", feature)  # What a sequence is made of.
            if not hasattr(feature, "keys") or key not in feature:
                return None
            feature = feature[key]
        whole = tfds.features.Image | tfds.features.Audio | tfds.features.ClassLabel
        if isinstance(feature, whole):
            return feature
        content = getattr(feature, "feature", feature)
        if hasattr(content, "keys"):
            return None
        is_sequence |= content is not feature
        numbers = (tf.int32, tf.int64) if is_sequence else ()
        return feature if tf.as_dtype(content.dtype) in (tf.string, *numbers) else None


def _flac(samples: np.ndarray, rate: int) -> bytes:
    """Returns audio `(n,)` or `(n, channels)`, integers of 16 or 32 bits or floats, as a file."""
    if np.issubdtype(samples.dtype, np.integer):
        is_short = np.array_equal(samples, samples.astype(np.int16))
        samples = samples.astype(np.int16 if is_short else np.int32)
    file = io.BytesIO()  # What writes to the disk itself would not tell that it is full.
    soundfile.write(file, samples, rate, subtype="PCM_16", format="FLAC")
    return file.getvalue()


def _media_name(value: bytes, stem: str) -> str:
    if value.startswith(b"fLaC"):
        return f"audio/{stem}.flac"
    return f"images/{stem}.jpg" if value.startswith(b"\xff\xd8") else f"images/{stem}.png"


def _import_no_features(connector) -> None:
    """Keeps a prepared set from naming modules to import: whoever wrote it may be a stranger.

    `features.json` gives the classes of the features; those of TensorFlow Datasets itself are all
    that there is any use for.

    Args:
        connector: `tfds.features.FeatureConnector`.
    """
    import_class = connector.cls_from_name.__func__
    if import_class.__module__ == __name__:
        return

    def own_class(cls, python_class_name):
        if not python_class_name.startswith(OWN_FEATURES):
            raise ValueError(f"its features are of a class of their own, {python_class_name}")
        return import_class(cls, python_class_name)

    connector.cls_from_name = classmethod(own_class)


def _builder(wanted: str, data_dir: str | Path | None):
    with quiet_start():
        import tensorflow  # noqa: F401  TensorFlow Datasets imports it late, and loudly.
        import tensorflow_datasets as tfds
    _import_no_features(tfds.features.FeatureConnector)
    try:
        return tfds.builder(wanted, data_dir=data_dir and Path(data_dir).expanduser())
    except tfds.core.DatasetNotFoundError:
        nearest = difflib.get_close_matches(wanted.split("/")[0], tfds.list_builders())
        raise UserError(
            f"unknown data set 'tfds:{wanted}': TensorFlow Datasets has no such name"
            + (f", the nearest are {', '.join(nearest)}" if nearest else "")
        ) from None
    except Exception as error:  # An unknown configuration or version, or a package that it needs.
        reason = first_line(error)
        dataset, *config = wanted.partition(":")[0].split("/")
        known = []
        with contextlib.suppress(Exception):  # The name may be none at all.
            known = list(tfds.builder_cls(dataset).builder_configs)
        if config and known and config[0] not in known:
            reason = unknown("configuration", config[0], known)
        raise UserError(f"cannot open tfds:{wanted}: {reason}") from error
