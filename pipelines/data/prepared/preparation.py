"""What an application does to have its examples prepared."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipelines.data.prepared.rows import PreparedRows

Arrays = Mapping[str, np.ndarray]
Rows = Mapping[str, Sequence[dict]]
Made = Sequence[Arrays] | str


class Preparation(ABC):
    """Makes examples of rows, in any process: what it learnt of the training split is in files.

    Args:
        config: The configuration, as `read` returned it.
        folder: The folder of the prepared examples.
        facts: What `read` returned besides.

    Attributes:
        CONFIG: The class of the configuration.
        MEDIA: The field of a row that names a file, which is copied for the held-out splits.
    """

    CONFIG: ClassVar[type]
    MEDIA: ClassVar[str | None] = None

    def __init__(self, config: Any, folder: Path, facts: Mapping[str, Any]):
        self.config, self.folder, self.facts = config, folder, facts

    @classmethod
    @abstractmethod
    def read(cls, config: Any, folder: Path) -> tuple[Any, Rows, dict[str, Any]]:
        """Reads the rows, and writes what is learnt of those of training, such as a tokenizer.

        Args:
            config: The configuration that the flags give.
            folder: The folder of the prepared examples.

        Returns:
            The configuration with what suits these rows, the rows of each split, and what else the
            application has to know of them, see `PreparedRows`.
        """

    @abstractmethod
    def examples(self, split: str, rows: Sequence[dict]) -> Iterator[tuple[int, Made]]:
        """Makes what training takes of some rows, on all cores.

        Args:
            split: Their split.
            rows: Some of its rows, in their order.

        Yields:
            The place of a row, in ascending order, and one or more records of it, each as arrays
            by their names; or as a text why it is left out.
        """

    def finish(self, splits: Mapping[str, PreparedRows]) -> None:  # noqa: B027
        """Writes what is computed of all examples, such as the statistics of training."""
