"""The built-in translation data set: dates written out in many languages, to ISO 8601."""

import datetime
import random
from pathlib import Path

from babel import Locale
from babel.dates import DateTimeFormat, tokenize_pattern

from pipelines.commands.disk.files import write_json_lines

VERSION = "2"  # to be raised with every change of the lines, the split or the layout
YEARS = (1800, 2199)
LOCALES = (
    *("en_US", "en_GB", "de", "nl", "sv", "fr", "es", "it", "pt", "pl", "cs", "ru", "el"),
    *("tr", "fi", "hu", "ar", "fa", "he", "hi", "bn", "zh", "ja", "ko", "vi"),
)
SKELETONS = ("yMd", "yMEd", "yMMMd", "yMMMEd", "yMMMMd", "yMMMMEEEEd")
# Beside those that a locale has; the second lot where the year does not come first.
PATTERNS = ("y-MM-dd",)
DAY_FIRST_PATTERNS = (
    *("d MMMM y", "d MMM y", "EEEE d MMMM y", "E, d MMM y", "d-MMM-y"),
    *("MMMM d, y", "y MMMM d"),
)
# Babel writes dates in Western digits alone.
ZEROS = {"ar": "٠", "fa": "۰", "hi": "०", "bn": "০"}
NATIVE_DIGITS, LOWER_CASE = 0.2, 0.2
# What a keyboard has in place of CLDR's no-break spaces and direction marks.
KEYBOARD = str.maketrans({"\u202f": " ", "\u00a0": " ", "\u200f": "", "\u200e": ""})


def write(
    folder: Path,
    train: int = 20_000,
    validation: int = 1_000,
    test: int = 2_000,
    seed: int = 0,
) -> None:
    """Writes dates of the years 1800 to 2199, none of them twice.

    They are written as the Unicode CLDR has it for each locale, by Babel, in full and in short,
    with and without the day of the week, and in a few more patterns. No text is two dates: years
    have four digits, and a month in digits stands before the day only after the year. Where a
    locale has digits of its own, a fifth of the lines uses them; a fifth of all is in lower case.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl` and `test.jsonl`. A line holds `source`,
            `target` ("2024-03-07"), `locale`, and `month`, the span `[start, end]` of the
            characters in `source` that tell the month.
        train: number of training lines.
        validation: number of validation lines.
        test: number of test lines.
        seed: another seed gives other dates.
    """
    rng = random.Random(seed)
    counts = {"train": train, "validation": validation, "test": test}
    first, last = (datetime.date(YEARS[0], 1, 1), datetime.date(YEARS[1], 12, 31))
    days = range(first.toordinal(), last.toordinal() + 1)
    chosen = iter(rng.sample(days, sum(counts.values())))
    patterns = {name: _patterns(Locale.parse(name)) for name in LOCALES}
    for split, count in counts.items():
        rows = (_row(next(chosen), patterns, rng) for _ in range(count))
        write_json_lines(Path(folder) / f"{split}.jsonl", rows)


def _row(day: int, patterns: dict[str, list[tuple]], rng: random.Random) -> dict:
    """Returns the line of a day, in a locale and a pattern of its own."""
    date, locale = datetime.date.fromordinal(day), rng.choice(LOCALES)
    source, month = _written(date, locale, rng.choice(patterns[locale]))
    if rng.random() < NATIVE_DIGITS:
        source = _native_digits(source, locale)
    if rng.random() < LOWER_CASE:
        source = source.lower()
    return {"source": source, "target": date.isoformat(), "locale": locale, "month": month}


def _patterns(locale: Locale) -> list[tuple]:
    """Returns a locale's ways to write a date, as the tokens of Babel's `tokenize_pattern`."""
    own = [locale.date_formats[width].pattern for width in ("full", "long", "medium", "short")]
    own += [
        locale.datetime_skeletons[name].pattern
        for name in SKELETONS
        if name in locale.datetime_skeletons
    ]
    more = PATTERNS if own[1].startswith("y") else PATTERNS + DAY_FIRST_PATTERNS
    tokenized = [_four_digit_year(tokenize_pattern(pattern)) for pattern in (*own, *more)]
    return [tokens for tokens in dict.fromkeys(tokenized) if not _is_month_day_year(tokens)]


def _four_digit_year(tokens: list[tuple]) -> tuple:
    return tuple(("field", ("y", 1)) if token == ("field", ("y", 2)) else token for token in tokens)


def _is_month_day_year(tokens: tuple) -> bool:
    """Whether the order is that of 3/7/2024, all in digits."""
    widths = dict(value for kind, value in tokens if kind == "field")
    return "".join(field for field in widths if field in "yMLd") == "Mdy" and widths["M"] < 3


def _written(date: datetime.date, locale: str, tokens: tuple) -> tuple[str, list[int]]:
    """Returns the text of a date, and the span of its month."""
    names = DateTimeFormat(date, locale)
    text, month = "", []
    for kind, value in tokens:
        is_field = kind == "field"
        piece = (names[value[0] * value[1]] if is_field else value).translate(KEYBOARD)
        if is_field and value[0] in "ML":
            month = [len(text), len(text) + len(piece)]
        text += piece
    return text, month


def _native_digits(text: str, locale: str) -> str:
    zero = ord(ZEROS.get(locale, "0"))
    return text.translate({ord("0") + digit: zero + digit for digit in range(10)})
