"""What a layout is: a way to find the splits of a data set in a folder, and to read them."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.commands.left_out import Tally
from pipelines.data import fields as of_rows
from pipelines.data.fields import Fields
from pipelines.data.media import Index

Reader = Callable[[Tally], Iterable[dict]]
"""Gives the rows of a split one by one, and tells a tally of those that are no examples."""


@dataclass(frozen=True)
class Layout:
    """The splits of a data set as they were found.

    Attributes:
        name: What a line calls the layout, such as "COCO captions".
        readers: For each split that is there, what reads its rows and counts what is no example.
        notes: What else a line should say.
    """

    name: str
    readers: Mapping[str, Reader]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Wanted:
    """What an application looks for in a folder.

    Attributes:
        fields: Those of its rows.
        endings: Of its media, such as ".png"; without any it has none.
        convert: Makes a row of a record where `fields.row` cannot; raises a `ValueError`.
        headerless: As for `tables.records`.
        readers: For each ending of a file of its own format, what reads such a file.
        of_records: Makes rows of the records of a file, its path and a tally, where one record
            alone does not tell.
        options: What else a layout may ask for, such as the languages of a translation.
    """

    fields: Fields
    endings: frozenset[str] = frozenset()
    convert: Callable[[Mapping], dict] | None = None
    headerless: Callable | None = None
    readers: Mapping[str, Callable[[Path, Tally], Iterable[dict]]] = field(default_factory=dict)
    of_records: Callable[[Iterable, Path, Tally], Iterable[dict]] | None = None
    options: Mapping = field(default_factory=dict)
    _listings: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def file_field(self) -> str | None:
        """The field that names a file, if there is one."""
        return next((name for name, each in self.fields.items() if each.is_file), None)

    def files(self, folder: Path) -> list[Path]:
        """Returns the files in a folder, in order; hidden ones are none."""
        return self._list(folder)[0]

    def folders(self, folder: Path) -> list[Path]:
        """Returns the folders in a folder, and links to some, in order; hidden ones are none."""
        return self._list(folder)[1]

    def rows(
        self, records: Iterable[tuple[str, object]], tally: Tally, path: Path | None = None
    ) -> Iterator[dict]:
        """Makes rows of records, of a file, and counts those that are no examples."""
        if self.of_records and path:
            yield from self.of_records(records, path, tally)
            return
        for where, record in records:
            try:
                if isinstance(record, ValueError):
                    raise record
                row = self.convert(record) if self.convert else of_rows.row(record, self.fields)
            except ValueError as error:
                tally.add(str(error), where)
            else:
                yield row

    def with_paths(
        self, rows: Iterable[dict], folder: Path, index: Index, split: str
    ) -> Iterable[dict]:
        """Gives each row the `path` of the file that it names, if rows name files.

        Args:
            rows: Those of a file.
            folder: Where the file is.
            index: Of the data set.
            split: The split of the rows.
        """
        name = self.file_field
        if name is None:
            return rows
        return ({**row, "path": index.path(row[name], folder, split)} for row in rows)

    def _list(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Each folder is listed once: there are those of a hundred thousand images."""
        if folder not in self._listings:
            files, folders = [], []
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith((".", "__MACOSX")):
                        (folders if entry.is_dir() else files).append(entry.name)
            self._listings[folder] = tuple(
                [folder / name for name in sorted(names)] for names in (files, folders)
            )
        return self._listings[folder]


Find = Callable[[Path, Wanted], Layout | None]
