"""Files that belong together line by line: parallel text, and texts beside their labels."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data import fields as of_rows
from pipelines.data.fields import Field, Fields
from pipelines.data.formats import parallel_text
from pipelines.data.formats.text_files import ending, lines, stem
from pipelines.data.layouts.headerless import LANGUAGES
from pipelines.data.layouts.layout import Layout, Wanted
from pipelines.data.split_names import SPLITS, split_of

# Pairs of words in names that tell which of two files is which; other pairs are languages.
DIRECTED = (
    *(("source", "target"), ("src", "tgt"), ("src", "trg"), ("source", "summary")),
    *(("article", "title"), ("article", "highlights"), ("document", "summary")),
)
LABELLED = (("text", "labels"), ("text", "label"), ("texts", "labels"))
TRANSLATION = ("source", "target")
FIELDS = {
    "source": Field(("source", "src", "source_text", "source_sentence", "input")),
    "target": Field(("target", "tgt", "trg", "target_text", "target_sentence", "output")),
}
# Short endings that are no languages; they may stand behind one: `train.en.txt`.
NO_LANGUAGES = (
    *("txt", "gz", "zip", "tar", "tgz", "md", "py", "sh", "csv", "tsv", "xml", "tmx", "sgm", "ids"),
    *("log", "cfg", "yml", "bin", "jpg", "png", "wav", "mp3", "pdf", "rst", "ini", "bpe", "vec"),
    *("npy", "pt", "db", "bak", "dvc"),
)
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z]{2,4})?")

Pair = tuple[Path, Path]


def moses(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `train.en` and `train.de`, `train.source` and `train.target`, `src-train.txt` ….

    A set without splits, such as `OPUS.de-en.de` and `OPUS.de-en.en`, is all for training.

    Raises:
        UserError: The training set is there in more than two languages, and none are chosen.
    """
    for place in (folder, *wanted.folders(folder)):
        pairs = _pairs(place, wanted)
        for inner in wanted.folders(place):
            if split_of(inner.name):
                found = _pairs(inner, wanted).items()
                pairs |= {f"{inner.name}/{name}": pair for name, pair in found}
        named = _named(pairs)
        if named and ("train" in named or not wanted.folders(place)):
            fields = tuple(wanted.fields)[:2]
            readers = {
                split: functools.partial(_read, *pairs[name], fields)
                for split, name in named.items()
            }
            source, target = pairs[next(iter(named.values()))]
            others = sorted(pairs.keys() - set(named.values()))
            notes = [
                *_direction(source, target, wanted),
                *(f"{name}.* is not used" for name in others),
            ]
            return Layout(f"parallel files ({source.name}, {target.name})", readers, notes)
    return None


def labelled(folder: Path, wanted: Wanted) -> Layout | None:
    """Finds `train_text.txt` and `train_labels.txt`, a text and its label a line, as TweetEval has.

    Where there is a `mapping.txt`, a number and a name a line, labels are names.
    """
    pairs: dict[str, Pair] = {}
    for known in LABELLED:
        pairs |= _by_words(wanted.files(folder), known)
    named = _named(pairs)
    if "train" not in named:
        return None
    names = {}
    if (mapping := folder / "mapping.txt").is_file():
        names = dict(line.split(maxsplit=1) for line in lines(mapping) if len(line.split()) > 1)

    def records(text: Path, label: Path, tally: Tally) -> Iterator:
        for number, row in enumerate(parallel_text.read(text, label, tally), 1):
            label_of = names.get(row["target"], row["target"]).strip()
            yield f"{text}: {number}", {"text": row["source"], "label": label_of}

    def read(split: str, tally: Tally) -> Iterable[dict]:
        return wanted.rows(records(*pairs[named[split]], tally), tally)

    return Layout("texts and labels line by line", {s: functools.partial(read, s) for s in named})


def fields(source: str, target: str) -> Fields:
    """Returns the fields of a translation between two languages, which columns may be named by."""
    languages = dict(zip(FIELDS, (source, target), strict=True))
    return {
        side: Field((f"translation/{languages[side]}", languages[side], *each.names))
        for side, each in FIELDS.items()
    }


def row_of(record: Mapping) -> dict:
    """Makes a row of a record with `source` and `target`, or with a `translation` by language.

    Of several languages the first is the source and the second the target.

    Raises:
        ValueError: Why it is no example.
    """
    languages = record.get("translation") if isinstance(record, Mapping) else None
    if isinstance(languages, Mapping) and len(languages) > 1:
        record = dict(zip(TRANSLATION, languages.values(), strict=False))
    return of_rows.row(record, FIELDS)


def _named(pairs: Mapping[str, Pair]) -> dict[str, str]:
    """For each split the name of its pair; the only pair is all for training."""
    named = {}
    for split in SPLITS:
        own = sorted((name for name in pairs if split_of(name) == split), key=len)
        if own:
            named[split] = own[0]
    if not named and len(pairs) == 1:
        named["train"] = next(iter(pairs))
    return named


def _pairs(place: Path, wanted: Wanted) -> dict[str, Pair]:
    """For each name the two files that differ only in a word of theirs."""
    files, pairs = wanted.files(place), {}
    for known in DIRECTED:
        pairs |= _by_words(files, known)
    if tuple(wanted.fields) != TRANSLATION:
        return pairs
    by_name: dict[str, dict[str, Path]] = {}
    for path in files:
        name, language = _language(path)
        if language:
            by_name.setdefault(name, {})[language] = path
    asked = wanted.options.get("languages")
    for name, found in by_name.items():
        known = [tuple(map(str.lower, asked))] if asked else [_of_name(name), tuple(found)]
        pair = next((each for each in known if len(each) == 2 and set(each) <= found.keys()), None)
        if pair:
            pairs[name] = found[pair[0]], found[pair[1]]
        elif len(found) > 2 and split_of(name) == "train":
            raise UserError(
                f"{place} has {name} in {', '.join(found)}: choose two by --source-language and "
                "--target-language"
            )
    return pairs


def _by_words(files: list[Path], known: tuple[str, str]) -> dict[str, Pair]:
    """Files whose names differ in that one has the first word and the other the second."""
    sides: tuple[dict, dict] = {}, {}
    for path in files:
        words = re.split(r"[._-]", path.name.lower().removesuffix(".gz"))
        for word, side in zip(known, sides, strict=True):
            if word in words:
                others = [each for each in words if each not in (word, "txt")]
                side[".".join(others) or "train"] = path
    return {name: (path, sides[1][name]) for name, path in sides[0].items() if name in sides[1]}


def _language(path: Path) -> tuple[str, str]:
    """What a name says beside the language, and that: `train.en`, `train_en.txt`, `english.txt`."""
    name, language = stem(path), ending(path).removeprefix(".")
    if language == "txt":
        name, _, language = re.sub(r"[._-](?=[^._-]+$)", "\n", name).rpartition("\n")
        language = language.lower()
        if not name and language not in LANGUAGES.split() and len(language) != 2:
            return name, ""
    is_code = LANGUAGE.fullmatch(language) and language not in NO_LANGUAGES
    return name, language if is_code or language in LANGUAGES.split() else ""


def _of_name(name: str) -> tuple[str, ...]:
    """The languages that a name such as `OPUS.de-en` tells, in its order."""
    found = re.search(r"(?:^|[._])([a-z]{2,3})-([a-z]{2,3})$", name.lower())
    return found.groups() if found else ()


def _direction(source: Path, target: Path, wanted: Wanted) -> list[str]:
    first, second = (_language(path)[1] for path in (source, target))
    if not (first and second) or wanted.options.get("languages"):
        return []
    other = f"--source-language {second} --target-language {first}"
    return [f"{first} to {second}; {other} is the other way"]


def _read(source: Path, target: Path, fields: tuple[str, str], tally: Tally) -> Iterable[dict]:
    rows = parallel_text.read(source, target, tally)
    return (dict(zip(fields, row.values(), strict=True)) for row in rows)
