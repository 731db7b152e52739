"""The schemes in which entities are written as one tag a token, and how each is read."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

OUTSIDE = frozenset("Oo")
BLANK = frozenset(("", "_", "-", "0"))  # stand for O in files that have no O
UNTYPED = "entity"
# The letters of BIO, BIOES, BILOU, BMES and BMEWO, as those of BIOES.
ROLES = dict(zip("BIMELSUW", "BIIEESSS", strict=True))
BEGINNINGS = frozenset("BISUW")
# Where the letter stands: before the type, behind it, or alone.
FORMS = (
    re.compile(r"(?P<role>[BIESULMW])[-_:](?P<kind>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"(?P<kind>.+)[-_:](?P<role>[BIESULMW])", re.IGNORECASE | re.DOTALL),
    re.compile(r"(?P<role>[BIESULMW])(?P<kind>)", re.IGNORECASE),
)
PREFIXED, _, BARE = FORMS
USUAL = re.compile(r"[BI]-.+", re.DOTALL)


class Scheme(NamedTuple):
    """How the tags of a file are written.

    Attributes:
        form: The pattern of a tag with a letter and a type; None of types alone, as in "PER O".
        outside: The tags that stand for O.
        name: What it is called: BIO, BIOES, BILOU, BMES, BMEWO, IOE.
        unusual: A tag that is not written as in BIO, or None.
    """

    form: re.Pattern | None = PREFIXED
    outside: frozenset[str] = OUTSIDE
    name: str = "BIO"
    unusual: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether tags are types alone, so that neighbours of one type are one entity."""
        return self.form is None

    def reader(self) -> Callable[[str], tuple[str, str] | None]:
        """Returns a function from a tag to a letter of BIOES and a type in NFC.

        It returns `("O", "")` outside entities, and None for what is no tag. Types alone have the
        letter I.
        """
        known: dict[str, tuple[str, str] | None] = {}

        def read(tag):
            if tag not in known:
                known[tag] = self._read(tag)
            return known[tag]

        return read

    def _read(self, tag):
        if tag in self.outside:
            return "O", ""
        if self.form is None:
            role, kind = "I", tag.strip() if any(map(str.isalpha, tag)) else ""
        elif match := self.form.fullmatch(tag):
            role = ROLES[match["role"].upper()]
            kind = UNTYPED if self.form is BARE else match["kind"].strip()
        else:
            return None
        return (role, unicodedata.normalize("NFC", kind)) if kind else None

    @property
    def description(self) -> str | None:
        """What a line may say of it, None of BIO as usual."""
        said = []
        if self.is_plain:
            said.append(
                f"tags without B- and I- such as {self.unusual!r} read as BIO: neighbours of one "
                "type are one entity"
            )
        elif self.form is BARE:
            said.append(
                f"{self.name} tags without a type such as {self.unusual!r} read as BIO of the type "
                f"'{UNTYPED}'"
            )
        elif self.unusual:
            name = "" if self.name == "BIO" else f"{self.name} "
            said.append(f"{name}tags such as {self.unusual!r} read as BIO")
        if self.outside and self.outside <= BLANK:
            said.append(f"{' and '.join(sorted(map(repr, self.outside)))} read as O")
        return "; ".join(said) or None


def find(counts: Mapping[str, int]) -> Scheme | None:
    """Finds the scheme that tags are written in.

    Args:
        counts: How often each tag is used.

    Returns:
        The scheme of at least half of what is not outside of entities; types alone count as one
        where some tag is outside. None if there is no such scheme.
    """
    outside = frozenset(counts) & OUTSIDE or frozenset(counts) & BLANK
    inside = Counter({tag: count for tag, count in counts.items() if tag not in outside})
    if not inside:
        return Scheme(outside=outside) if outside & OUTSIDE else None
    for form in FORMS:
        roles, unusual = Counter(), Counter()
        for tag, count in inside.items():
            if match := form.fullmatch(tag):
                roles[match["role"].upper()] += count
                unusual[tag] += count * (not USUAL.fullmatch(tag))
        if roles.keys() & BEGINNINGS and 2 * roles.total() >= inside.total():
            ((example, seen),) = unusual.most_common(1)
            return Scheme(form, outside, _name(roles.keys()), example if seen else None)
    return Scheme(None, outside, "IO", inside.most_common(1)[0][0]) if outside else None


def _name(roles) -> str:
    if "M" in roles or "W" in roles:
        return "BMEWO" if "W" in roles else "BMES"
    if "L" in roles or "U" in roles:
        return "BILOU"
    if "S" in roles or "E" in roles:
        return "BIOES" if "B" in roles or "S" in roles else "IOE"
    return "BIO"
