"""Translation memories, TMX: units of a text in several languages."""

import itertools
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path

from pipelines.commands.disk.bounded import open_file
from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
CODES = ("bpt", "ept", "ph", "it", "ut")  # of formatting, which are no text
SAMPLE = 100  # units by which the languages are known


def read(path: Path, tally: Tally, languages: tuple[str, str] | None = None) -> Iterator[dict]:
    """Reads the pairs of a translation memory.

    Args:
        path: A `.tmx`.
        tally: Counts the units that lack one of the two languages.
        languages: Of source and target, "de" or "de-DE"; by default the two that there are.

    Yields:
        Rows with `source` and `target`.

    Raises:
        UserError: It cannot be read, or has not these languages, or has not two.
    """
    pair = _choose(path, languages)
    for number, unit in enumerate(_units(path), 1):
        texts = [unit.get(language) for language in pair]
        if all(texts):
            yield dict(zip(("source", "target"), texts, strict=True))
        else:
            tally.add("no text in one of the two languages", f"{path}: unit {number}")
    if languages is None:
        console.print(f"{path}: {pair[0]} to {pair[1]}")


def _choose(path: Path, languages: tuple[str, str] | None) -> list[str]:
    sample = itertools.islice(_units(path), SAMPLE)
    found = list(dict.fromkeys(language for unit in sample for language in unit))
    if languages is None:
        if len(found) != 2:
            raise UserError(
                f"{path} has {len(found)} languages ({', '.join(found)}): choose two by "
                "--source-language and --target-language"
            )
        return found
    pair = []
    for asked in languages:
        asked = asked.lower().replace("_", "-")
        near = [each for each in found if asked in (each, each.partition("-")[0])]
        if not near:
            raise UserError(f"{path} has no language '{asked}': it has {', '.join(found)}")
        pair.append(near[0])
    return pair


def _units(path: Path) -> Iterator[dict[str, str]]:
    """Yields the texts of each unit by language."""
    open_elements = []
    try:
        with open_file(path) as file:
            for event, element in xml.iterparse(file, ("start", "end")):
                if event == "start":
                    open_elements.append(element)
                    continue
                open_elements.pop()
                if element.tag == "tu":
                    yield dict(filter(None, map(_variant, element.iter("tuv"))))
                    if open_elements:
                        open_elements[-1].remove(element)
    except (xml.ParseError, OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _variant(element) -> tuple[str, str] | None:
    language = element.get(LANGUAGE) or element.get("lang")
    segment = element.find("seg")
    if not language or segment is None:
        return None
    text = " ".join("".join(_texts(segment)).split())
    return language.lower().replace("_", "-"), text


def _texts(element) -> Iterator[str]:
    """Yields the parts of a text, without the codes of its formatting."""
    if element.tag not in CODES:
        yield element.text or ""
        for inner in element:
            yield from _texts(inner)
            yield inner.tail or ""
