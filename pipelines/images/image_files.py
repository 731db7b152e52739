"""Images: any file that Pillow decodes itself, to pixels of one size."""

import contextlib
import functools
import itertools
import math
import os
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from pipelines.commands.disk.bounded import check_kind, memory
from pipelines.commands.disk.files import cache_root
from pipelines.commands.errors import MachineError, UserError, first_line, lack
from pipelines.commands.left_out import Tally
from pipelines.data.caches.file_keys import file_keys
from pipelines.data.caches.row_cache import RowCache
from pipelines.data.fields import Field
from pipelines.data.media import find_media
from pipelines.data.prepared.rows import PreparedRows

# What Pillow warns of (a large photograph, odd EXIF data) it reads; what it cannot read, it raises.
warnings.filterwarnings("ignore", module=r"PIL\.")

COLUMN = Field(
    (
        *("file_name", "image", "filename", "image_path", "image_name", "path", "filepath"),
        *("filepaths", "file", "img", "img_path", "image_file", "image_id", "image_index"),
        *("id", "id_code"),
    ),
    is_file=True,
)
"""What names an image in a table, under the headings that data sets give it."""

_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
# What Pillow hands on to other programs, or to nothing.
_NOT_ITS_OWN = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FPX", "MIC"}
# Of a pixel, in all copies on its way; and of images of more pixels one is read at a time.
_BYTES, _LARGE = 24, 1 << 24
_one_large = threading.Lock()

Source = str | Path | BinaryIO | np.ndarray


def load(source: Source, size: int, channels: int = 3) -> np.ndarray:
    """Reads an image in any format and mode that Pillow decodes itself.

    The EXIF orientation is applied, deep greys are scaled to 8 bits, a transparent image is laid
    over white, and of an animation the first frame is taken. The whole image is kept: its aspect
    ratio is not, so that places in it stay places in the result.

    Args:
        source: Path of a file, an open binary file, or pixels `(height, width, 3)`, uint8.
        size: Width and height of the result.
        channels: 3 for red, green and blue; 1 for the grey of them.

    Returns:
        Pixels `(size, size, channels)`, uint8.

    Raises:
        UserError: The file is missing, empty, damaged or not an image, or too large for memory.
        MachineError: The machine lacks memory or permission to read it.
    """
    with _opened(source) as image:
        # A large JPEG is decoded at a half, quarter or eighth of its size: much faster.
        image.draft(None, (2 * size, 2 * size))
        pixels = math.prod(image.size)
        if pixels > most_pixels():
            raise ValueError(f"its {image.width} x {image.height} pixels do not fit into memory")
        with _one_large if pixels > _LARGE else contextlib.nullcontext():
            _turn_upright(image)
            image = _to_rgb(image).convert("L" if channels == 1 else "RGB")
            image = image.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(image).reshape(size, size, channels)


def dimensions(file: str | Path) -> tuple[int, int]:
    """Returns width and height of an image, as `load` turns it, from its header alone.

    Raises:
        UserError: As `load`.
    """
    with _opened(file) as image:
        _turn_upright(image)
        return image.size


def count_channels(files: Iterable[str | Path]) -> int:
    """Returns 1 if all images that can be read are kept as grey ones, else 3."""
    for file in files:
        try:
            with _opened(file) as image:
                mode = image.mode
        except MachineError:
            raise
        except UserError:  # It is counted where its pixels are read.
            continue
        if mode not in _GREY_MODES and not mode.startswith("I;"):
            return 3
    return 1


def endings() -> set[str]:
    """Returns the endings, such as ".png", of the files that Pillow decodes itself."""
    known = formats()
    return {ending for ending, kind in Image.registered_extensions().items() if kind in known}


@functools.cache
def formats() -> tuple[str, ...]:
    """Returns the formats that Pillow decodes itself: no other program is started."""
    Image.init()
    return tuple(sorted(Image.OPEN.keys() - _NOT_ITS_OWN))


@functools.cache
def most_pixels() -> int:
    """Returns how many pixels an image may have: what half of the memory holds."""
    Image.MAX_IMAGE_PIXELS = most = memory() // (2 * _BYTES)
    return most


def find(path: str | Path) -> list[Path]:
    """Returns the image itself, or all files of a folder that look like images.

    Raises:
        UserError: There is none, or the name of one is not in UTF-8.
    """
    return find_media(path, endings(), "image")


def as_rows(inputs) -> list[dict]:
    """Returns images as rows of a data set, each with what `load` reads as its `path`.

    Args:
        inputs: Images, or rows with a `path` or at least a `file_name`. One alone is taken too.
    """
    if isinstance(inputs, PreparedRows):
        return inputs
    alone = isinstance(inputs, str | Path | Mapping) or getattr(inputs, "ndim", None) in (2, 3)
    return [
        {"path": each.get("file_name"), **each} if isinstance(each, Mapping) else {"path": each}
        for each in ([inputs] if alone else inputs)
    ]


def batches(
    sources: Sequence[Source],
    size: int,
    batch_size: int = 32,
    channels: int = 3,
    skipped: list[tuple[int, UserError]] | None = None,
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Reads images in threads, ahead of whoever takes them.

    Args:
        sources: What to read, as for `load`.
        size: Width and height of the results.
        batch_size: Images in a batch; the last one has what is left.
        channels: As for `load`.
        skipped: Takes position and error of each image that cannot be read. Without it, the
            first of them is an error.

    Yields:
        Positions in `sources` and the pixels there, uint8 `(b, size, size, channels)`; images
        that cannot be read are left out.

    Raises:
        UserError: An image cannot be read, and there is no `skipped`.
        MachineError: The machine lacks memory or permission to read one.
    """

    def kept():
        with contextlib.closing(_in_threads(sources, size, channels, 4 * batch_size)) as read:
            for position, pixels in enumerate(read):
                if not isinstance(pixels, UserError):
                    yield position, pixels
                elif skipped is None or isinstance(pixels, MachineError):
                    raise pixels
                else:
                    skipped.append((position, pixels))

    images = kept()
    while batch := list(itertools.islice(images, batch_size)):
        positions, pixels = zip(*batch, strict=True)
        yield list(positions), np.stack(pixels)


def cached_pixels(
    files: Sequence[str | Path],
    size: int,
    cache_dir: str | Path | None = None,
    channels: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """Reads images once and keeps their pixels on disk.

    Args:
        files: The files to read.
        size: Width and height of the results.
        cache_dir: The cache folder; by default `cache_root()`.
        channels: As for `load`.

    Returns:
        A memory map `(M, size, size, channels)`, uint8, and the row of each file
        `(len(files),)`, int64, -1 where the file cannot be read.
    """
    folder = Path(cache_dir or cache_root()) / "pixels" / f"{size}x{size}x{channels}"
    cache = RowCache(folder, (size, size, channels), "uint8")

    def compute(positions: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        chosen_files = [files[i] for i in positions]
        for chosen, pixels in batches(chosen_files, size, 256, channels, skipped=[]):
            yield [positions[i] for i in chosen], pixels

    return cache.rows(file_keys(files, cache_dir), compute, "reading images")


def readable(files: Sequence[str | Path], rows: np.ndarray) -> np.ndarray:
    """Returns the positions of the files that could be read; the others are left out.

    Args:
        files: The files of a split.
        rows: `(len(files),)`, the row of each in a cache, as of `cached_pixels`.

    Raises:
        UserError: None could, or too few; see `left_out.Tally`.
    """
    tally = Tally("images")
    for position in np.flatnonzero(rows < 0):
        tally.add(_why(files[position]), files[position])
    positions = np.flatnonzero(rows >= 0)
    tally.close(len(positions))
    return positions


def _why(file: str | Path) -> str:
    """Says why a file cannot be read as an image."""
    try:
        load(file, 8)
    except UserError as error:
        return reason_of(error)
    return "could not be read before"


def reason_of(error: UserError) -> str:
    """Returns why an image cannot be read, without its name."""
    return str(error).rpartition(" as an image: ")[2]


def _in_threads(
    sources: Iterable[Source], size: int, channels: int, ahead: int
) -> Iterator[np.ndarray | UserError]:
    """Yields the pixels of each image in order, the error of an unreadable one."""

    def read(source: Source) -> np.ndarray | UserError:
        try:
            return load(source, size, channels)
        except UserError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending: deque[Future] = deque()
        try:
            for source in sources:
                pending.append(pool.submit(read, source))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """Opens an image; whatever it makes Pillow raise, here or later, becomes one clear line."""
    try:
        with _open(source) as image:
            yield image
    except UserError:
        raise
    except Exception as error:
        kind = MachineError if lack(error) else UserError
        reason = _reason(error, source)
        raise kind(f"cannot read {_name(source)} as an image: {reason}") from error


def _open(source: Source) -> Image.Image:
    if isinstance(source, np.ndarray):
        return Image.fromarray(source)
    most_pixels()  # Sets what Pillow itself refuses.
    if isinstance(source, str | Path):
        check_kind(source)
    return Image.open(source, formats=formats())


def _name(source: Source) -> str | Path:
    if isinstance(source, np.ndarray):
        return f"an array {source.shape} of {source.dtype}"
    return source if isinstance(source, str | Path) else getattr(source, "name", "the image")


def _turn_upright(image: Image.Image) -> None:
    # Many a camera writes EXIF data that cannot be parsed; its image is good all the same.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(grey: np.ndarray) -> np.ndarray:
    """Scales greys of any depth to 0..255, by the range that their type and values tell.

    16-bit values go by their type, so a dark image stays dark. Wider types carry any range: 0 to
    1 (floats), 0 to 255 and 0 to 65535 are taken as such, any other from its least to its greatest.
    """
    low, high = 0.0, 65535.0
    if grey.dtype.itemsize > 2:
        grey = np.nan_to_num(grey.astype(np.float64), posinf=0.0, neginf=0.0)
        least, greatest = grey.min(), grey.max()
        ranges = [1.0, 255.0, 65535.0] if grey.dtype.kind == "f" else [255.0, 65535.0]
        fitting = [limit for limit in ranges if least >= 0 and greatest <= limit]
        low, high = (0.0, fitting[0]) if fitting else (least, greatest)
    scaled = (grey - low) * (255.0 / max(high - low, 1e-12))
    return np.rint(scaled).astype(np.uint8)


def _reason(error: Exception, source: Source) -> str:
    if isinstance(error, UnidentifiedImageError):
        empty = isinstance(source, str | Path) and os.path.getsize(source) == 0
        return "the file is empty" if empty else "not in a format that Pillow reads"
    if isinstance(error, Image.DecompressionBombError):
        return "its pixels do not fit into memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return first_line(error)
