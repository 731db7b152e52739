"""The names behind the numbers of labels and tags, where data sets keep them."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

LARGEST = 1 << 26  # bytes of a file that is read for names
MOST = 10_000  # names
INFOS = ("dataset_info.json", "dataset_infos.json")
BY_NUMBER = ("id2label", "label2id", "id2tag", "tag2id", "names", "labels", "classes")
# Files that list names, without their ending; the first that is there counts.
LISTS = (
    *("label_list", "labels_list", "labels", "label_names", "labels_names", "class_names"),
    *("classes", "class_list", "tags", "tag_list", "tagset", "tag_names", "label", "names"),
    *("id2label", "label2id", "id2tag", "tag2id", "tag_to_id", "label_to_id", "label_map"),
    *("label_mapping", "mapping", "vocab_tags", "config"),
)


def find(folder: str | Path, *fields: str) -> list[str] | None:
    """Finds the names that numbers stand for in a data set.

    They are looked for in `dataset_info.json` and `dataset_infos.json` of Hugging Face, in what it
    writes into a Parquet file, and at the top of its `README.md`; then in a file that lists them,
    such as `labels.txt` with a name a line, `FIELD.labels.txt` of TensorFlow Datasets,
    `label2id.json`, or the `id2label` of a `config.json`.

    Args:
        folder: Of the data set.
        fields: Whose numbers they are, such as "label" or "ner_tags", the best first.

    Returns:
        The names in the order of their numbers, or None.
    """
    folder = Path(folder)
    for features in _features(folder):
        if names := _of_fields(features, fields):
            return names
    files = {path.name.casefold(): path for path in _files(folder)}
    own = [f"{field}{end}" for field in fields for end in (".labels", "_names", "_labels", "s", "")]
    for stem in dict.fromkeys([*own, *LISTS]):
        for ending, read in ((".txt", _lines), (".json", _json)):
            path = files.get(f"{stem}{ending}".casefold())
            if path and (names := read(path)):
                return names
    return None


def ordered(value) -> list[str] | None:
    """Returns names in the order of their numbers: of a list, `{"0": name}` or `{name: 0}`."""
    if isinstance(value, dict) and value:
        if not all(isinstance(each, str) for each in value.values()):
            value = {number: name for name, number in value.items()}
        try:
            value = {int(number): name for number, name in value.items()}
        except (TypeError, ValueError):
            return None
        first = min(value)
        if first not in (0, 1) or max(value) != first + len(value) - 1:
            return None
        value = [value[number] for number in sorted(value)]
    if not isinstance(value, list) or not 0 < len(value) <= MOST:
        return None
    names = [name.strip() if isinstance(name, str) else "" for name in value]
    return names if all(names) and len(set(names)) == len(names) else None


def _features(folder: Path) -> Iterator[object]:
    """Yields what describes the fields of a data set, wherever Hugging Face writes it."""
    inner = sorted(path for path in _iterate(folder) if path.is_dir())
    for place in (folder, *inner):
        for name in INFOS:
            yield _load(place / name)
    for place in (folder, *inner):
        first = next((path for path in _files(place) if path.suffix == ".parquet"), None)
        if first:
            yield _of_parquet(first)
            break
    yield _of_card(folder / "README.md")


def _of_fields(features, fields: Sequence[str]) -> list[str] | None:
    """The names that a description gives one of the fields, or else the only field with names."""
    found = dict(_named(features, None))
    for field in fields:
        if field in found:
            return found[field]
    return next(iter(found.values())) if len(found) == 1 else None


def _named(node, field: str | None) -> Iterator[tuple[str | None, list[str]]]:
    """Yields fields with the names of their classes."""
    if isinstance(node, list):
        for each in node:
            yield from _named(each, field)
    elif isinstance(node, dict):
        if "names" in node:
            names = ordered(node["names"])
            if names:
                yield field, names
            return
        if isinstance(node.get("name"), str):
            field = node["name"]
        for key, value in node.items():
            inner = key in {"feature", "sequence", "list", "class_label", "dtype", "struct"}
            yield from _named(value, field if inner else key)


def _of_parquet(path: Path):
    try:
        from pyarrow import parquet

        metadata = parquet.read_schema(path).metadata or {}
        return json.loads(metadata.get(b"huggingface", b"null"))
    except (ImportError, OSError, ValueError, RecursionError):
        return None


def _of_card(path: Path):
    """The YAML between two lines of dashes that a card begins with."""
    match = re.match(r"---\s*\n(.*?)\n---\s*(?:\n|$)", _text(path), re.DOTALL)
    if not match or "&" in match[1]:  # Names need no references, which can grow without bound.
        return None
    import yaml

    try:
        # In this loader all are texts: else `no` and `off` were no names.
        return yaml.load(match[1], Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        return None


def _lines(path: Path) -> list[str] | None:
    """Names, one a line; the numbers of the lines may stand before or behind them."""
    lines = [line.strip() for line in _text(path).strip().splitlines()]
    if len(lines) > MOST:
        return None
    for number_first in (True, False):
        split = [_number_and_name(line, number_first) for line in lines]
        if [number for number, _ in split] in ([*range(len(lines))], [*range(1, len(lines) + 1)]):
            return ordered([name for _, name in split]) or ordered(lines)
    return ordered(lines)


def _number_and_name(line: str, number_first: bool) -> tuple[int | None, str]:
    pattern = r"(\d+)[\s:,;=]+(.+)" if number_first else r"(.+?)[\s:,;=]+(\d+)"
    match = re.fullmatch(pattern, line)
    if not match:
        return None, line
    number, name = match.groups() if number_first else reversed(match.groups())
    return int(number), name


def _json(path: Path) -> list[str] | None:
    content = _load(path)
    if isinstance(content, dict):
        for key in BY_NUMBER:
            if names := ordered(content.get(key)):
                return names
    return None if path.stem.casefold() == "config" else ordered(content)


def _load(path: Path):
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError):
        return None


def _text(path: Path) -> str:
    """The text of a file; of one that is none or too large, an empty one."""
    try:
        if path.is_file() and path.stat().st_size <= LARGEST:
            return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        pass
    return ""


def _iterate(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in _iterate(folder) if path.is_file())
