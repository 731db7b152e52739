"""A folder for each class: of images, of audio files, or of texts."""

import functools
import os
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

from pipelines.commands.errors import UserError, check_utf8
from pipelines.commands.left_out import Tally
from pipelines.commands.text_input import nfc
from pipelines.data.formats.text_files import ending, is_utf8, lines, stem
from pipelines.data.layouts.layout import Layout, Wanted
from pipelines.data.media import walk
from pipelines.data.split_names import SPLITS, split_of

TEXTS = frozenset((".txt", ""))
NO_CLASSES = {"unsup", "unlabelled", "unlabeled", "_background_noise_"}
LISTS = ("meta", "splits", "labels", "annotations", "lists")
"""Folders beside the classes' in which lists of splits are kept."""

Read = Callable[[Path, Tally], Iterable[dict]]


def of_files(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `SPLIT/CLASS/FILE` or `CLASS/FILE`; the class is the label, or for audio the text.

    Images are what has the ending of one, in the class's folder or deeper. A class without any is
    none. Lists of files, such as `validation_list.txt`, tell the splits of `CLASS/FILE`.

    Raises:
        UserError: The folders hold folders of files, and are neither classes nor splits.
    """
    field = next(name for name in wanted.fields if name != wanted.file_field)

    def read(root: Path, tally: Tally) -> Iterator[dict]:
        start = len(folder.parts)
        for label, path in _labelled(root, wanted.endings, wanted):
            check_utf8(path)
            name = os.path.join(*path.parts[start:])
            yield {wanted.file_field: name, field: label, "path": path}

    splits = _splits(folder, wanted.endings, wanted)
    lists = _lists(folder, splits["train"][0], wanted) if list(splits) == ["train"] else {}
    is_label = wanted.fields[field].is_label
    name = "a folder for each class" if is_label else f"a folder for each {field}, its name"
    if not lists:
        return _layout(splits, name, read, wanted)
    root = splits["train"][0]

    def listed(split: str, tally: Tally) -> Iterable[dict]:
        start, endings = len(root.parts), wanted.endings
        named = (
            (row, _listed("/".join(row["path"].parts[start:]), endings))
            for row in read(root, tally)
        )
        others = frozenset().union(*(names for key, names in lists.items() if key != split))
        own = lists.get(split)
        return (row for row, name in named if (name not in others if own is None else name in own))

    readers = {split: functools.partial(listed, split) for split in {"train": None, **lists}}
    notes = _notes([root], wanted)
    return Layout(f"{name}, and lists of splits", readers, notes)


def of_texts(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `SPLIT/LABEL/FILE.txt` or `LABEL/FILE.txt`, a text in each file, as IMDB has them.

    Raises:
        UserError: As `of_files`.
    """

    def read(root: Path, tally: Tally) -> Iterable[dict]:
        records = ((str(path), _text_record(path, label)) for label, path in _texts(root))
        return wanted.rows(records, tally)

    def _texts(root: Path) -> Iterator[tuple[str, Path]]:
        return _labelled(root, TEXTS, wanted)

    splits = _splits(folder, TEXTS, wanted)
    return _layout(splits, "a folder of texts for each label", read, wanted)


def _layout(splits: dict[str, list[Path]], name: str, read: Read, wanted: Wanted) -> Layout | None:
    if not splits:
        return None
    readers = {split: functools.partial(_read_all, paths, read) for split, paths in splits.items()}
    return Layout(
        name, readers, _notes([path for paths in splits.values() for path in paths], wanted)
    )


def _notes(roots: list[Path], wanted: Wanted) -> list[str]:
    inner = {path.name for root in roots for path in wanted.folders(root)}
    return [f"{name} is no class: not used" for name in sorted(inner) if name.lower() in NO_CLASSES]


def _read_all(roots: list[Path], read: Read, tally: Tally) -> Iterable[dict]:
    return (row for root in roots for row in read(root, tally))


def _text_record(path: Path, label: str):
    found = list(lines(path))
    if not is_utf8("".join(found)):
        return ValueError("not in UTF-8")
    return {"text": "\n".join(found).strip(), "label": label}


def _splits(folder: Path, endings: Container[str], wanted: Wanted) -> dict[str, list[Path]]:
    """The folders of each split, in the folder itself or in the only one that it holds."""
    named: dict[str, list[Path]] = {}
    for path in wanted.folders(folder):
        if (split := split_of(path.name)) and _has_classes(path, endings, wanted):
            named.setdefault(split, []).append(_unwrapped(path, endings, wanted))
    holding = [path for path in wanted.folders(folder) if _holds(path, endings)]
    if "train" in named or (named and all(split_of(path.name) for path in holding)):
        return {split: _exact(named[split], split) for split in SPLITS if split in named}
    if len(holding) == 1 and _has_classes(holding[0], endings, wanted):
        return _splits(holding[0], endings, wanted)
    if len(holding) < 2:
        return {}
    if not any(_has_files(path, endings, wanted) for path in holding):
        names = ", ".join(f"{path.name}/" for path in holding[:5])
        raise UserError(
            f"{folder}: {names} hold folders of files, so they are no classes: name them after "
            "their splits (train, validation, test), or give the folder that holds the classes"
        )
    if all(split_of(path.name) for path in holding):
        return {}
    return {"train": [folder]}


def _unwrapped(folder: Path, endings: Container[str], wanted: Wanted) -> Path:
    """The folder of the classes: archives hold `seg_train/seg_train/street`."""
    holding = [path for path in wanted.folders(folder) if _holds(path, endings)]
    is_wrapper = len(holding) == 1 and not _has_files(holding[0], endings, wanted)
    return _unwrapped(holding[0], endings, wanted) if is_wrapper else folder


def _exact(paths: list[Path], split: str) -> list[Path]:
    """The folder with the very name of a split, or all that tell it."""
    exact = [path for path in paths if path.name.lower() == split]
    return exact or paths


def _labelled(root: Path, endings: Container[str], wanted: Wanted) -> Iterator[tuple[str, Path]]:
    for folder in wanted.folders(root):
        if folder.name.lower() not in NO_CLASSES:
            label = nfc(folder.name)
            for path in walk(folder, endings):
                yield label, path


def _lists(folder: Path, root: Path, wanted: Wanted) -> dict[str, frozenset[str]]:
    """For each split the files that a list of its name has, such as `meta/test.txt` of Food-101."""
    places = dict.fromkeys((folder, *(() if root == folder else (root.parent, root))))
    inner = [path for place in places for path in wanted.folders(place)]
    found: dict[str, frozenset[str]] = {}
    for place in (*places, *(path for path in inner if path.name.lower() in LISTS)):
        for path in wanted.files(place):
            split = split_of(stem(path)) if ending(path) in (".txt", ".lst") else None
            if split and split not in found:
                names = [_listed(line, wanted.endings) for line in lines(path) if line.strip()]
                if names and _is_there(root, names[0], wanted):
                    found[split] = frozenset(names)
    return found


def _listed(name: str, endings: Container[str]) -> str:
    """A file as lists name it: by its class and its name, with an ending or without."""
    rest, end = os.path.splitext(name.strip().removeprefix("./"))
    return nfc((rest if end.lower() in endings else rest + end).casefold())


def _is_there(root: Path, name: str, wanted: Wanted) -> bool:
    label = name.partition("/")[0]
    return any(
        name == _listed(f"{label}/{path.name}", wanted.endings)
        for folder in wanted.folders(root)
        if nfc(folder.name).casefold() == label
        for path in wanted.files(folder)
    )


def _has_classes(folder: Path, endings: Container[str], wanted: Wanted) -> bool:
    return any(_holds(path, endings) for path in wanted.folders(folder))


def _holds(folder: Path, endings: Container[str]) -> bool:
    return next(walk(folder, endings), None) is not None


def _has_files(folder: Path, endings: Container[str], wanted: Wanted) -> bool:
    return any(path.suffix.lower() in endings for path in wanted.files(folder))
