"""Pretrained image networks, and their features, computed once."""

import hashlib
import inspect
import json
import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from pipelines.commands.cluster.scopes import one_device
from pipelines.commands.disk import model_files
from pipelines.commands.disk.bounded import open_file
from pipelines.commands.disk.files import cache_root, replacing, write_json
from pipelines.commands.errors import UserError, first_line, reading, unknown
from pipelines.data.caches.file_keys import file_keys
from pipelines.data.caches.row_cache import RowCache, disk_errors
from pipelines.data.hub import PRESET_SCHEMES
from pipelines.images import image_files

BATCH_SIZE = 32
FLOAT16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Backbone:
    """A network from images to a grid of features.

    Attributes:
        name: The name it was opened by.
        model: Pixels 0 to 255 `(B, size, size, 3)` to features `(B, h, w, C)`. The scaling that
            the network was trained with is part of it.
    """

    name: str
    model: keras.Model

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the features, `(h, w)`."""
        return self.model.output.shape[1:3]

    @property
    def channels(self) -> int:
        """Size of a feature, `C`."""
        return self.model.output.shape[3]


def open_backbone(name: str, image_size: int, trainable: bool = False) -> Backbone:
    """Opens a pretrained network without its classifier.

    Batch normalization keeps its trained statistics, and dropout stays off, even in training:
    the batches of fine-tuning are too small for new statistics.

    Args:
        name: A network of Keras Applications (in any case of letters), whose ImageNet weights are
            downloaded once; or a KerasHub preset: a folder, or a name such as `kaggle://...`.
        image_size: Width and height of the images.
        trainable: Whether the network's weights are trained.

    Returns:
        The backbone.

    Raises:
        UserError: There is no such network or folder, it is no image network, it does not take
            images of this size, or its weights cannot be had.
    """
    if name.endswith(".keras"):
        backbone = load(name)
        if backbone.model.input_shape[1:] != (image_size, image_size, 3):
            raise UserError(
                f"the backbone {name} takes images of {backbone.model.input_shape[1]} pixels, "
                f"not of {image_size}: --image-size {backbone.model.input_shape[1]}"
            )
        for layer in backbone.model.layers:
            layer.trainable = trainable
        return backbone
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    if _is_preset(name):
        features = _preset_features(name, pixels, trainable)
    else:
        features = _application_features(_application_name(name), pixels, trainable)
    return Backbone(name, keras.Model(pixels, features, name="backbone"))


def open_frozen(name: str, image_size: int) -> Backbone:
    """Opens a pretrained network to compute features: in float32, whatever training computes in.

    Args:
        name: As for `open_backbone`.
        image_size: As for `open_backbone`.

    Raises:
        UserError: As `open_backbone`.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        with one_device():  # None of those that train a model together.
            return open_backbone(name, image_size)
    finally:
        keras.config.set_dtype_policy(policy)


def cached_features(
    files: Sequence[str | Path],
    backbone_name: str,
    image_size: int,
    cache_dir: str | Path | None = None,
    flip: bool = False,
    saved: str | Path | None = None,
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Computes the features of images once and keeps them on disk.

    The network is opened only if an image is new. Its weights stay in float32, whatever the
    precision of the training that the features are for.

    Args:
        files: The files of the images.
        backbone_name: As for `open_backbone`.
        image_size: Width and height that the images are brought to.
        cache_dir: The cache folder; by default `cache_root()`.
        flip: Whether the images are mirrored, left to right, first.
        saved: A copy made by `save`, which is opened in place of the original: that may be on
            another machine.

    Returns:
        A memory map `(M, S, C)`, float16, where `S` counts the cells of the grid by rows; the row
        of each file, `(len(files),)`, int64, -1 where the file cannot be read; and the grid
        `(h, w)`.

    Raises:
        UserError: As `open_backbone`; or the disk is full.
    """
    try:
        identity = _identity(backbone_name)
    except UserError:
        if saved is None:
            raise
        identity = _identity(str(saved))
    if saved is not None:  # The same weights, and certainly here.
        backbone_name = str(saved)
    name = f"{identity}-{image_size}{'-flipped' if flip else ''}"
    folder = Path(cache_dir or cache_root()) / "features" / name
    backbone = None
    try:
        height, width, channels = json.loads((folder / "shape.json").read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        backbone = open_frozen(backbone_name, image_size)
        height, width, channels = *backbone.grid, backbone.channels
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "shape.json", [height, width, channels])

    def compute(positions: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        network = (backbone or open_frozen(backbone_name, image_size)).model
        chosen_files = [files[i] for i in positions]
        for chosen, pixels in image_files.batches(chosen_files, image_size, BATCH_SIZE, skipped=[]):
            with one_device():
                features = compute_features(network, pixels[:, :, ::-1] if flip else pixels)
            yield [positions[i] for i in chosen], features.reshape(len(chosen), -1, channels)

    cache = RowCache(folder, (height * width, channels), "float16")
    keys = file_keys(files, cache_dir)
    features, rows = cache.rows(keys, compute, f"features of {Path(backbone_name).name}")
    return features, rows, (height, width)


def save(name: str, image_size: int, path: str | Path) -> None:
    """Saves a backbone, so that a run can be used where the original is not."""
    with replacing(path) as temporary:
        open_frozen(name, image_size).model.save(temporary)


def load(path: str | Path) -> Backbone:
    """Loads a backbone that `save` wrote.

    Raises:
        UserError: It is none, or larger than what fits into memory.
    """
    model_files.check(path, "a backbone")
    with reading(path, "a backbone"):
        with zipfile.ZipFile(path) as archive:
            if b"keras_hub" in archive.read("config.json"):
                import keras_hub  # noqa: F401 (registers the layers of its presets)
        backbone = Backbone(str(path), keras.saving.load_model(path, compile=False))
        size, grid = backbone.model.input_shape[1], backbone.grid
        if backbone.model.input_shape[1:] != (size, size, 3) or len(grid) != 2:
            raise ValueError("it takes no images, or gives no grid of features")
        return backbone


def compute_features(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Computes the features of any number of images.

    Args:
        network: The `model` of a backbone.
        pixels: `(B, size, size, 3)`.

    Returns:
        `(B, h, w, C)`, float16.
    """
    parts = []
    for start in range(0, len(pixels), BATCH_SIZE):
        chosen = pixels[start : start + BATCH_SIZE]
        # A short batch is filled up, so that one shape is compiled.
        batch = np.zeros((BATCH_SIZE, *pixels.shape[1:]), np.float32)
        batch[: len(chosen)] = chosen
        parts.append(keras.ops.convert_to_numpy(network.predict_on_batch(batch))[: len(chosen)])
    features = np.concatenate(parts)
    return np.clip(features, -FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)


def _applications() -> list[str]:
    return [name for name in dir(keras.applications) if name[0].isupper()]


def _application_name(name: str) -> str:
    """Returns the name in the case of letters that Keras Applications has."""
    names = {known.lower(): known for known in _applications()}
    if name.lower() not in names:
        raise unknown("backbone", name, [*names.values(), "the folder of a KerasHub preset"])
    return names[name.lower()]


def _application_features(name: str, pixels: keras.KerasTensor, trainable: bool):
    constructor = getattr(keras.applications, name)
    size = pixels.shape[1]
    try:
        # A network warns where it has weights for other sizes only; features do not mind.
        with warnings.catch_warnings(action="ignore"):
            network = constructor(
                include_top=False, weights="imagenet", input_shape=(size, size, 3)
            )
    except ValueError as error:  # Among others, images smaller than the network can take.
        raise UserError(f"cannot open the backbone {name}: {first_line(error)}") from error
    except Exception as error:  # What Keras raises for a failed download.
        raise UserError(
            f"the ImageNet weights of {name} could not be downloaded ({first_line(error)}): put "
            f"them in ~/.keras/models, or name the folder of a KerasHub preset as the backbone"
        ) from error
    network.trainable = trainable
    preprocess = inspect.getmodule(constructor).preprocess_input
    return network(preprocess(pixels, data_format="channels_last"), training=False)


def _is_preset(name: str) -> bool:
    if name.startswith(PRESET_SCHEMES):
        return True
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return True
    if folder.is_dir():
        raise UserError(f"{name} is no KerasHub preset: it has no config.json")
    if len(folder.parts) > 1 or name.startswith("~"):
        raise UserError(f"there is no folder {name} to open a backbone from")
    return False


def _preset_features(name: str, pixels: keras.KerasTensor, trainable: bool):
    import keras_hub

    preset = name if name.startswith(PRESET_SCHEMES) else str(Path(name).expanduser())
    try:
        network = keras_hub.models.Backbone.from_preset(preset)
    except Exception as error:  # KerasHub, h5py and the hubs raise what they like.
        raise UserError(f"cannot open the preset {name}: {first_line(error)}") from error
    network.trainable = trainable
    try:
        features = network(_rescaled(preset, pixels), training=False)
    except Exception as error:  # The network takes text, or sound, or images of another size.
        raise UserError(
            f"the preset {name} does not take images of {pixels.shape[1]} pixels: "
            f"{first_line(error)}"
        ) from error
    return _as_grid(name, features)


def _rescaled(preset: str, pixels: keras.KerasTensor):
    """Scales pixels as the preset's own image converter does, if it has one."""
    import keras_hub

    try:
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    except (ValueError, FileNotFoundError):
        return pixels
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    return keras.layers.Rescaling(scale, offset)(pixels)


def _as_grid(name: str, features):
    """Lays a Vision Transformer's sequence out as a grid, without its leading class tokens."""
    shape = getattr(features, "shape", ())
    if len(shape) == 4:
        return features
    if len(shape) != 3:
        raise UserError(f"the preset {name} does not give one map of features")
    side = math.isqrt(shape[1])
    grid = features[:, shape[1] - side * side :]
    return keras.layers.Reshape((side, side, shape[2]))(grid)


def _identity(name: str) -> str:
    """Returns a name that changes with the network's weights: a folder name for its features.

    The files of a preset are hashed. Keras Applications never changes the weights of a name.
    """
    if name.endswith(".keras"):
        with reading(name, "a backbone"), open_file(name) as file:
            return f"saved-{hashlib.file_digest(file, 'blake2b').hexdigest()[:16]}"
    if not _is_preset(name):
        return _application_name(name)
    digest = hashlib.blake2b(name.encode(), digest_size=8)
    folder = Path(name).expanduser()
    if folder.is_dir():
        digest = hashlib.blake2b(digest_size=8)
        for path in sorted([*folder.glob("*.json"), *folder.glob("*.h5")]):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    return f"{folder.name}-{digest.hexdigest()}"
