"""What a model looked at in an image, word by word or layer by layer, with what it said of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.commands.terminal import printable
from pipelines.maps import image_pages, image_pictures
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.gallery import Drawable


@dataclass(frozen=True, eq=False)
class ImageMap(Drawable):
    """An attention map over its image.

    Attributes:
        map: axes word, row, column; or layer, row, column.
        image: uint8 `(height, width, 3)`, of any size; the map covers all of it.
        caption: what is said of the image. If words attend, they are those of the caption.
        references: other captions, that people wrote.
        classes: the likeliest classes, each with its probability, to be shown as bars.
    """

    map: AttentionMap
    image: np.ndarray
    caption: str = ""
    references: tuple[str, ...] = ()
    classes: tuple[tuple[str, float], ...] = ()

    write_page = staticmethod(image_pages.write_html)

    def __post_init__(self):
        object.__setattr__(self, "references", tuple(self.references))
        object.__setattr__(self, "classes", tuple(self.classes))

    @property
    def weights(self) -> np.ndarray:
        """The weights of the map, such as `(words, rows, columns)`."""
        return self.map.weights

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of their axes."""
        return self.map.axes

    @property
    def empty(self) -> bool:
        """Whether there is no word that attended."""
        return not self.map.words

    @property
    def heading(self) -> str:
        """What stands above the image: the caption, unless its words are shown anyway."""
        return "" if self.axes[0] == "word" else self.caption

    def draw(self, path: str | Path) -> None:
        """Draws the image and beside it, per word, the image under the word's attention."""
        likeliest = ", ".join(f"{name} ({share:.1%})" for name, share in self.classes)
        title = printable(": ".join(filter(None, (self.heading, likeliest))))
        image_pictures.draw_png(path, self.image, self.map, title)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the map: `weights`, `words` and `axes`."""
        return self.map.arrays()
