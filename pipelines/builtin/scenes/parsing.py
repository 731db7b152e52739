"""Parses a caption: which objects it names, and what it claims about them."""

import dataclasses

from .words import (
    ANYTHING,
    COLOR_OF,
    NUMBERS,
    OPENINGS,
    PLACE_PHRASES,
    PLURALS,
    PRONOUNS,
    RELATION_PHRASES,
    SIZE_OF,
    TEXTURE_OF,
    THERE,
    VERBS,
)

SINGULARS = {shape: shape for shape in PLURALS} | {word[:-1]: None for word in ANYTHING}
PLURAL_NOUNS = {plural: shape for shape, plural in PLURALS.items()} | dict.fromkeys(ANYTHING)


@dataclasses.dataclass(frozen=True)
class Mention:
    """An object or a counted group as a caption names it.

    Attributes:
        position: index of the noun among the words of the caption.
        number: how many objects are meant.
        counted: whether the number is a claim ("one", "two", … but not "a" or "the").
        attributes: `(kind, word, value)` of each claim about what the objects look like.
    """

    position: int
    number: int
    counted: bool
    attributes: tuple[tuple[str, str, str], ...]
    text: str


@dataclasses.dataclass(frozen=True)
class Statement:
    """A relation or a place that a caption claims; `subject` and `others` are mention indices."""

    name: str
    subject: int
    others: tuple[int, ...]
    text: str


class NotInGrammar(ValueError):
    """The caption is no sentence of the grammar."""


def parse(caption: str) -> tuple[list[Mention], list[Statement]]:
    """Parses a caption.

    Args:
        caption: any sentence of the grammar, about objects that may or may not exist. Case and
            punctuation at the end of words are ignored.

    Returns:
        The mentions in the order of the words, and the statements about them.

    Raises:
        NotInGrammar: for everything else.
    """
    words = [word.lower().strip(".,") for word in caption.split()]
    reader = _Reader(_chunks(words))
    reader.sentence()
    return reader.mentions, reader.statements


def _phrases() -> dict[tuple[str, ...], tuple[str, str]]:
    table = {(word,): ("pronoun", word) for word in PRONOUNS}
    table |= {(word,): ("verb", word) for word in VERBS}
    table |= {tuple(text.split()): ("opening", text) for text in OPENINGS}
    table |= {tuple(text.split()): ("there", text) for text in THERE}
    for kind, phrases in (("relation", RELATION_PHRASES), ("place", PLACE_PHRASES)):
        for name, texts in phrases.items():
            table |= {tuple(text.split()): (kind, name) for text in texts}
    return table | {
        ("in", "the", "picture"): ("anywhere", ""),
        ("between",): ("between", "between"),
        ("both",): ("both", ""),
        ("and",): ("and", ""),
        ("while",): ("and", ""),
        ("including",): ("and", ""),
        ("together", "with"): ("and", ""),
        ("in", "a", "picture", "of"): ("and", ""),
        ("with",): ("with", ""),
    }


PHRASES = _phrases()
LONGEST_PHRASE = max(map(len, PHRASES))


def _chunks(words: list[str]) -> list[tuple[str, object]]:
    """Cuts a caption into set phrases, the longest first, and mentions."""
    chunks, start = [], 0
    while start < len(words):
        for length in range(LONGEST_PHRASE, 0, -1):
            phrase = tuple(words[start : start + length])
            if len(phrase) == length and phrase in PHRASES:
                chunks.append(PHRASES[phrase])
                start += length
                break
        else:
            mention = _mention(words, start)
            chunks.append(("mention", mention))
            start = mention.position + 1
    return chunks


def _mention(words: list[str], start: int) -> Mention:
    rest = iter(enumerate([*words[start:], ""], start))
    position, word = next(rest)
    number = None
    if word in ("a", "an", "the"):
        number = None if word == "the" else 1
        position, word = next(rest)
    counted = number is None and word in NUMBERS
    if counted:
        number = NUMBERS[word]
        position, word = next(rest)
    elif position == start:
        raise NotInGrammar(f"{word!r} does not start a mention")
    attributes = []
    for kind, values in (("size", SIZE_OF), ("texture", TEXTURE_OF), ("colour", COLOR_OF)):
        if word in values:
            attributes.append((kind, word, values[word]))
            position, word = next(rest)
    nouns = PLURAL_NOUNS if counted and number > 1 else SINGULARS
    if word not in nouns:
        raise NotInGrammar(f"{word!r} is not the noun of a mention")
    if nouns[word] is not None:
        attributes.append(("shape", word, nouns[word]))
    text = " ".join([word for _, word, _ in attributes[:-1]] + [word])
    return Mention(position, number or 1, counted, tuple(attributes), text)


class _Reader:
    """Recursive descent over the chunks of one caption."""

    def __init__(self, chunks):
        self.chunks = [*chunks, ("end", "")]
        self.at = 0
        self.mentions: list[Mention] = []
        self.statements: list[Statement] = []
        self.topic = None  # the mention that a pronoun refers to

    def next_is(self, *kinds: str, ahead: int = 0) -> bool:
        return self.chunks[min(self.at + ahead, len(self.chunks) - 1)][0] in kinds

    def take(self, *kinds: str):
        if not self.next_is(*kinds):
            raise NotInGrammar(f"expected {' or '.join(kinds)}, found {self.chunks[self.at][0]}")
        self.at += 1
        return self.chunks[self.at - 1][1]

    def mention(self) -> int:
        self.mentions.append(self.take("mention"))
        return len(self.mentions) - 1

    def sentence(self):
        if self.next_is("opening"):
            self.take("opening")
        self.topic = self.clause()
        while not self.next_is("end"):
            joined_by_with = self.next_is("with")
            self.take("and", "with")
            subject = self.clause()
            if not joined_by_with:
                self.topic = subject

    def clause(self) -> int:
        """A subject with what is said of it, in either order; returns the (last) subject."""
        fronted = None
        if self.next_is("relation", "place"):
            fronted = self.predicate()
            self.take("there", "verb")
        elif self.next_is("there"):
            self.take("there")
        if self.next_is("both"):
            self.take("both")
            subjects = [self.mention()]
            self.take("and")
            subjects.append(self.mention())
        else:
            subjects = [self.mention()]
        if fronted:
            self.state(subjects, *fronted)
        while True:
            if self.next_is("verb"):
                self.take("verb")
            elif self.next_is("and") and self.next_is("relation", "between", "place", ahead=1):
                if self.next_is("there", "verb", ahead=2 + self.next_is("relation", ahead=1)):
                    break  # "… and below the star is a heart": the start of a new clause
                self.take("and")
            elif not self.next_is("relation", "between", "place", "anywhere"):
                break
            self.state(subjects, *self.predicate())
        return subjects[-1]

    def predicate(self) -> tuple[str, tuple[int, ...]]:
        if self.next_is("anywhere", "place"):
            return self.take("anywhere", "place"), ()
        if self.next_is("between"):
            name = self.take("between")
            first = self.mention()
            self.take("and")
            return name, (first, self.mention())
        name = self.take("relation")
        if not self.next_is("pronoun"):
            return name, (self.mention(),)
        self.take("pronoun")
        if self.topic is None:
            raise NotInGrammar("a pronoun before what it refers to")
        return name, (self.topic,)

    def state(self, subjects: list[int], name: str, others: tuple[int, ...]):
        """Records a statement for each subject; "in the picture" claims nothing."""
        for subject in subjects if name else ():
            shown = " and ".join(self.mentions[other].text for other in others)
            text = f"{self.mentions[subject].text} {name} {shown}".rstrip()
            self.statements.append(Statement(name, subject, others, text))
