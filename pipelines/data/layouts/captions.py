"""Image captions as the public sets have them: COCO, Karpathy's splits, Flickr8k and Flickr30k."""

import functools
import itertools
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import fingerprints
from pipelines.data.formats import json_lines, kept_records
from pipelines.data.formats.json_lines import Records
from pipelines.data.formats.text_files import ending, lines, read_lines, stem
from pipelines.data.layouts.layout import Layout, Wanted
from pipelines.data.media import Index
from pipelines.data.rows import Rows, column
from pipelines.data.split_names import split_of

TOKENS = re.compile(r"(.+?)#\d+\s+(.*)")
# COCO's files beside its captions, of half a gigabyte.
NOT_CAPTIONS = ("instances", "keypoints", "panoptic", "stuff", "questions")


def coco(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `captions_train2017.json` and the like, in the folder or in `annotations`."""
    parts: dict[str, Callable[[], Records]] = {}
    for path in _json_files(folder, wanted):
        split = split_of(stem(path)) or ("train" if "captions" in stem(path).lower() else None)
        if split and split not in parts and (content := _annotations(path)):
            found = ((split, *record) for record in _coco_records(path, *content))
            parts |= kept_records.by_split(found)
    return Layout("COCO captions", _readers(parts, folder, wanted)) if parts else None


def karpathy(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `dataset_flickr8k.json` and the like, whose images tell their split and sentences."""
    for path in _json_files(folder, wanted):
        content = _whole(path) if stem(path).lower().startswith("dataset") else None
        images = content.get("images") if isinstance(content, dict) else None
        if not isinstance(images, list) or not any(map(_has_sentences, images[:20])):
            continue
        parts = kept_records.by_split(_karpathy_records(images, path))
        readers = _readers(parts, folder, wanted)
        return Layout(f"Karpathy's splits ({path.relative_to(folder)})", readers)
    return None


def flickr_tokens(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `Flickr8k.token.txt`, an image and one of its captions a line, and lists of splits."""
    places = (folder, *wanted.folders(folder))
    paths = [path for place in places for path in wanted.files(place) if _is_tokens(path)]
    if not paths:
        return None
    path, lists = min(paths, key=lambda path: ("lemma" in path.name.lower(), path.name)), {}
    for each in wanted.files(path.parent):
        if ending(each) == ".txt" and each != path and (split := split_of(stem(each))):
            lists[split] = {line.strip() for line in read_lines(each)}

    def records(split: str) -> Records:
        for number, line in enumerate(lines(path), 1):
            found = TOKENS.fullmatch(line)
            if not line.strip() or (found and lists and found[1] not in lists[split]):
                continue
            value = {"file_name": found[1], "captions": found[2]} if found else ValueError("no '#'")
            yield f"{path}:{number}", value

    if "train" not in lists:
        lists = {}
    parts = {split: functools.partial(records, split) for split in lists or ("train",)}
    return Layout(f"Flickr captions ({path.relative_to(folder)})", _readers(parts, folder, wanted))


def by_image(rows: Iterable[dict]) -> Iterator[dict]:
    """Makes one row of all rows of an image, with all of their captions, in the order of images."""
    rows = Rows(rows, have_paths=True)
    image_of = fingerprints.groups(fingerprints.fingerprints(map(str, column(rows, "path"))))
    by_image = rows.select(np.argsort(image_of, kind="stable"))
    for _, same in itertools.groupby(by_image, key=operator.itemgetter("path")):
        first, *others = same
        texts = (text for row in others for text in row["captions"])
        yield {**first, "captions": [*first["captions"], *texts]}


def _readers(parts: dict[str, Callable[[], Iterator]], folder: Path, wanted: Wanted) -> dict:
    """What reads the records of each split."""
    index = Index(folder, wanted.endings)

    def read(split: str, tally: Tally) -> Iterable[dict]:
        return wanted.with_paths(wanted.rows(parts[split](), tally), folder, index, split)

    return {split: functools.partial(read, split) for split in parts}


def _json_files(folder: Path, wanted: Wanted) -> list[Path]:
    """JSON that may hold captions: in the folder, in `annotations`, in the only folder it holds."""
    inner = wanted.folders(folder)
    places = [path for path in inner if "annotation" in path.name.lower() or len(inner) == 1]
    found = [
        path
        for place in (folder, *places)
        for path in wanted.files(place)
        if ending(path) == ".json" and not path.name.lower().startswith(NOT_CAPTIONS)
    ]
    return sorted(found, key=lambda path: "captions" not in path.name.lower())


def _coco_records(path: Path, images: list[dict], annotations: list[dict]) -> Records:
    names = {image.get("id"): image.get("file_name") for image in images}
    captions: dict = {}
    for annotation in annotations:
        captions.setdefault(annotation.get("image_id"), []).append(annotation.get("caption"))
    for number, texts in captions.items():
        record = {"file_name": names.get(number), "captions": texts, "image_id": number}
        yield f"{path}: image {number}", record


def _annotations(path: Path) -> tuple[list[dict], list[dict]] | None:
    """The images and annotations of a file of COCO's kind, if some are captions."""
    content = _whole(path)
    if not isinstance(content, dict):
        return None
    parts = (content.get("images"), content.get("annotations"))
    if not all(isinstance(part, list) and part for part in parts):
        return None
    images, annotations = ([each for each in part if isinstance(each, dict)] for part in parts)
    return (images, annotations) if any("caption" in each for each in annotations) else None


def _whole(path: Path):
    try:
        return json_lines.whole(path)
    except (ValueError, UserError):
        return None


def _has_sentences(image) -> bool:
    return isinstance(image, dict) and isinstance(image.get("sentences"), list)


def _karpathy_records(images: list, path: Path) -> Iterator[tuple[str, str, object]]:
    for number, image in enumerate(images, 1):
        split, record = None, image
        if isinstance(image, dict):
            split = split_of(str(image.get("split")))
            name = "/".join(str(image[key]) for key in ("filepath", "filename") if image.get(key))
            record = {"file_name": name, "captions": image.get("sentences")}
        yield split or "train", f"{path}: image {number}", record


def _is_tokens(path: Path) -> bool:
    if not path.name.lower().endswith((".token", ".token.txt")):
        return False
    first = next(lines(path), "")
    return TOKENS.fullmatch(first) is not None
