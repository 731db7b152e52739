"""How maps are shown: each as a picture, all on one page, and all as arrays."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pipelines.commands.disk.files import make_folder
from pipelines.maps import page
from pipelines.maps.attention_maps import save_npz

LONGEST_NAME = 200  # bytes; file systems take 255, with the ending


class Drawable(ABC):
    """A map that knows how to show itself.

    Besides the methods below, every kind of map has `weights`, an array, and `axes`, the name of
    each of its axes.
    """

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw, so that a gallery leaves the map out."""
        return False

    @abstractmethod
    def draw(self, path: str | Path) -> None:
        """Draws the map as a PNG file."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What an `.npz` file holds of the map, by name."""

    @staticmethod
    @abstractmethod
    def write_page(
        path: str | Path,
        maps: Iterable["Drawable"],
        title: str | None = None,
        scores: Mapping[str, float] | None = None,
    ) -> None:
        """Writes one self-contained HTML page of maps of this kind.

        Args:
            path: the HTML file to write.
            maps: what to show, in order; at least one.
            title: the heading, by default that of the kind.
            scores: metrics of the model, shown below it.
        """

    def save(self, path: str | Path) -> None:
        """Writes the map as a picture, a page or arrays, as the ending of the path says.

        Args:
            path: the file to write, ending in `.png`, `.html` or `.npz`. The arrays of the last are
                called `STEM/weights` and so on, as those of `write`.

        Raises:
            ValueError: if the path ends otherwise.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".png":
                self.draw(path)
            case ".html":
                self.write_page(path, [self])
            case ".npz":
                save_npz(path, {path.stem: self})
            case _:
                raise ValueError(f"A map is saved as .png, .html or .npz. Received: {str(path)!r}.")


def write(
    folder: str | Path,
    maps: Iterable[Drawable],
    names: Iterable[str] | None = None,
    scores: Mapping[str, float] | None = None,
    pictures: int = 8,
    title: str | None = None,
) -> Path:
    """Writes maps into a folder: one page, the first as pictures, and all as arrays.

    Args:
        folder: made if it does not exist.
        maps: what to show, all of one kind; empty ones are left out.
        names: what each is called, by default "01" and so on. A name that stands there twice is
            told apart, as "dog" and "dog-2".
        scores: metrics of the model, shown on the page.
        pictures: how many PNG files to draw at most, `NAME.png`.
        title: the heading of the page, by default that of the kind of map.

    Returns:
        The path of the page, `index.html`. Beside it, `maps.npz` holds the arrays of every map as
        `NAME/weights` and so on; `attention_maps.load_npz` reads it.
    """
    folder, maps = Path(folder), list(maps)
    if names is None:
        maps = [each for each in maps if not each.empty]
        names = [f"{number:02d}" for number in range(1, len(maps) + 1)]
    shown = {
        name: each for name, each in zip(_told_apart(names), maps, strict=True) if not each.empty
    }
    make_folder(folder)
    for name, each in list(shown.items())[:pictures]:
        each.draw(folder / f"{name}.png")
    save_npz(folder / "maps.npz", shown)
    index = folder / "index.html"
    if shown:
        kind = type(next(iter(shown.values())))
        kind.write_page(index, shown.values(), title, scores)
    else:
        page.write(index, "empty_page.html", title or "Attention maps", scores=scores)
    return index


def _told_apart(names: Iterable[str]) -> Iterator[str]:
    """The names as files may have them, with a number behind each that stood before."""
    taken = {}  # A number to go on from: a folder may hold one name many times.
    for name in map(_file_name, names):
        free = name
        while free.casefold() in taken:  # Some file systems take "Dog" for "dog".
            taken[name.casefold()] += 1
            free = f"{name}-{taken[name.casefold()]}"
        taken[free.casefold()] = 1
        yield free


def _file_name(name: str) -> str:
    """A name without what leads to another folder, and no longer than a file's may be."""
    name = re.sub(r"[/\\\x00-\x1f\x7f]", "_", name).lstrip(".") or "_"
    return name.encode()[:LONGEST_NAME].decode("utf-8", "ignore")
