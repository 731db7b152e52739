"""The built-in summarization data set: the first sentence of a docstring, from the rest of it."""

import ast
import hashlib
import re
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path

from pipelines.builtin.docstrings import prose
from pipelines.builtin.docstrings.near_duplicates import equal_pairs, groups, similar_pairs
from pipelines.commands.disk.files import write_json_lines
from pipelines.commands.terminal import progress_bar

VERSION = "2"  # to be raised with every change of the lines, the split or the layout
DOCUMENT_WORDS = (12, 40)
SUMMARY_WORDS = (3, 20)
FORETOLD = 0.3
REQUIREMENTS = Path(__file__).parents[3] / "requirements.txt"
NO_SOURCE = re.compile(r"(^|/)(tests?|testing|site-packages|dist-packages)/|(_test|_pb2\w*)\.py$")
# One sentence that is no code, heading or signature.
SENTENCE = re.compile(r"(?!.*---)[A-Z][\w ,;:/&%+*.'\"()-]*[\w)'\"]\.?")


def write(folder: Path, validation: int = 1_000, test: int = 1_500) -> None:
    """Writes what the docstrings of the installed packages say, and their first sentences.

    Read are the packages that `requirements.txt` pins and the standard library, as source; nothing
    is imported. A document has 12 to 40 words and a summary 3 to 20, of which, short words aside,
    the document has a third or so in some form: else nobody could tell what the summary is.
    Documents that are much alike, or have the same summary, are in one split.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl` and `test.jsonl`, with `document`, `summary`
            and the `module` they are from. The same install gives the same lines.
        validation: number of validation lines.
        test: number of test lines; all others are for training.
    """
    found = {}
    with progress_bar() as progress:
        for module, path in progress.track(_sources(), description="reading docstrings"):
            for docstring in _docstrings(path):
                summary, document = prose.split(docstring, *DOCUMENT_WORDS)
                if _is_good(summary, document):
                    found.setdefault((document, summary), module)
    rows = [{"document": d, "summary": s, "module": m} for (d, s), m in found.items()]
    for split, chosen in _split(rows, {"test": test, "validation": validation}).items():
        write_json_lines(Path(folder) / f"{split}.jsonl", chosen)


def _sources() -> list[tuple[str, Path]]:
    """Returns the name and the file of each module, by name."""
    library = Path(sysconfig.get_path("stdlib"))
    files = {str(path.relative_to(library)): path for path in library.rglob("*.py")}
    for name in re.findall(r"^([\w.-]+)==", REQUIREMENTS.read_text("utf-8"), re.MULTILINE):
        try:
            there = metadata.files(name) or ()
        except metadata.PackageNotFoundError:  # The build for a GPU goes by another name.
            continue
        files |= {str(path): Path(path.locate()) for path in there if path.suffix == ".py"}
    return [
        (name.removesuffix(".py").removesuffix("/__init__").replace("/", "."), path)
        for name, path in sorted(files.items())
        if not NO_SOURCE.search(name) and path.is_file()
    ]


def _docstrings(path: Path) -> Iterator[str]:
    """Yields the docstrings of a module, its classes, and the functions of both."""
    source = path.read_bytes()
    if source.count(b'"""') < 2:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            nodes = [ast.parse(source)]
        except (SyntaxError, ValueError):  # A template, or of another version of Python.
            return
    for node in nodes:
        if docstring := ast.get_docstring(node, clean=False):
            yield docstring
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            nodes += [child for child in node.body if isinstance(child, kinds)]


def _is_good(summary: str, document: str) -> bool:
    (least, most), (fewest, _) = SUMMARY_WORDS, DOCUMENT_WORDS
    if not least <= len(summary.split()) <= most or len(document.split()) < fewest:
        return False
    stems = _stems(summary)
    shared = sum(stem in _stems(document) for stem in stems)
    return bool(SENTENCE.fullmatch(summary)) and shared >= max(FORETOLD * len(stems), 1)


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-z]{4,}", text.lower())}


def _split(rows: Sequence[dict], sizes: dict[str, int]) -> dict[str, list[dict]]:
    """Fills the held-out splits, in the order of a hash, with groups of near-duplicates."""
    alike = chain(
        similar_pairs([row["document"] for row in rows]),
        equal_pairs(row["summary"].casefold() for row in rows),
    )
    ranked = sorted(
        groups(len(rows), alike),
        key=lambda group: hashlib.sha256(rows[group[0]]["document"].encode()).digest(),
    )
    splits = {"train": [], **{split: [] for split in sizes}}
    for group in ranked:
        # A large group would say one thing over and over, and a score with it.
        fits = (
            split
            for split, size in sizes.items()
            if len(group) <= max(size // 100, 1) and len(splits[split]) + len(group) <= size
        )
        splits[next(fits, "train")] += [rows[i] for i in group]
    return splits
