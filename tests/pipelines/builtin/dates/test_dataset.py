import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from babel import Locale
from babel.dates import format_date

from pipelines.builtin.dates import dataset as dates
from tests.pipelines.builtin import rows as rows_of

SMALL = {"train": 1_999, "validation": 101, "test": 211}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dates")
    dates.write(folder, **SMALL)
    return rows_of.read(folder)


def in_ascii_digits(text):
    """Python reads every script's digits."""
    return "".join(str(int(letter)) if letter.isdecimal() else letter for letter in text)


def test_the_splits_share_no_date(splits):
    assert {split: len(rows) for split, rows in splits.items()} == SMALL
    targets = [row["target"] for rows in splits.values() for row in rows]
    assert len(set(targets)) == len(targets)
    years = {datetime.date.fromisoformat(target).year for target in targets}
    assert min(years) >= 1800 and max(years) <= 2199 and len(years) > 390


def test_full_size(tmp_path):
    dates.write(tmp_path)
    lines = {split: (tmp_path / f"{split}.jsonl").read_bytes() for split in rows_of.SPLITS}
    counts = {split: text.count(b"\n") for split, text in lines.items()}
    assert counts == {"train": 20_000, "validation": 1_000, "test": 2_000}
    rows = [json.loads(line) for line in lines["train"].splitlines()]
    assert {row["locale"] for row in rows} == set(dates.LOCALES)


def test_the_digits_and_the_day_of_the_week_are_those_of_the_date(splits):
    weekdays = 0
    for row in (row for rows in splits.values() for row in rows):
        date, locale = datetime.date.fromisoformat(row["target"]), Locale.parse(row["locale"])
        source = in_ascii_digits(row["source"]).casefold()
        assert str(date.year) in source and str(date.day) in source
        names = [
            locale.days[context][width][date.weekday()].casefold()
            for context in ("format", "stand-alone")
            for width in ("wide", "abbreviated")
        ]
        weekdays += any(name in source for name in names)
    assert 0.3 < weekdays / sum(SMALL.values()) < 0.7


def test_the_span_is_the_month(splits):
    digits = 0
    for row in (row for rows in splits.values() for row in rows):
        start, end = row["month"]
        text, month = row["source"][start:end], int(row["target"][5:7])
        if text.isdecimal():
            assert int(text) == month
            digits += 1
            continue
        locale = Locale.parse(row["locale"])
        names = {
            locale.months[context][width][month].casefold()
            for context in ("format", "stand-alone")
            for width in ("wide", "abbreviated")
        }
        assert in_ascii_digits(text).casefold() in names
    assert 0.2 < digits / sum(SMALL.values()) < 0.5


@pytest.mark.parametrize("locale", dates.LOCALES)
def test_babel_writes_the_same(locale):
    date = datetime.date(2024, 11, 7)
    patterns = dates._patterns(Locale.parse(locale))
    written = {dates._written(date, locale, tokens)[0] for tokens in patterns}
    for width in ("full", "long"):
        assert format_date(date, width, locale).translate(dates.KEYBOARD) in written
    assert "2024-11-07" in written
    assert len(written) >= 6


def test_a_date_field_by_field():
    patterns = dates._patterns(Locale.parse("es"))
    written = [dates._written(datetime.date(2026, 3, 3), "es", tokens) for tokens in patterns]
    assert ("martes, 3 de marzo de 2026", [13, 18]) in written
    assert ("mar, 3 mar 2026", [7, 10]) in written
    assert ("3/3/2026", [2, 3]) in written


def test_no_text_is_two_dates():
    meanings = {}
    for locale in dates.LOCALES:
        for tokens in dates._patterns(Locale.parse(locale)):
            for month in range(1, 13):
                for day in (1, 2, 11, 12):
                    date = datetime.date(1987, month, day)
                    text = dates._written(date, locale, tokens)[0]
                    for variant in {text, dates._native_digits(text, locale), text.lower()}:
                        assert meanings.setdefault(variant, date) == date
                        assert len(variant) == len(text)


def test_month_before_day_in_digits_is_left_out():
    for locale, text in (("en_US", "3/7/2024"), ("en_GB", "07/03/2024")):
        patterns = dates._patterns(Locale.parse(locale))
        date = datetime.date(2024, 3, 7)
        written = {dates._written(date, locale, tokens)[0] for tokens in patterns}
        assert (text in written) == (locale == "en_GB")


def test_native_digits_and_lower_case():
    assert dates._native_digits("7 مارس 1987", "fa") == "۷ مارس ۱۹۸۷"
    assert dates._native_digits("7 March 1987", "en_GB") == "7 March 1987"


def test_no_no_break_space_or_direction_mark(splits):
    letters = {letter for rows in splits.values() for row in rows for letter in row["source"]}
    assert letters.isdisjoint("\u00a0\u202f\u200e\u200f")
    assert letters >= set("Σя月년৭۷७٧7")


def test_the_same_in_another_process_and_by_seed(tmp_path, splits):
    root = Path(__file__).parents[4]
    code = f"from pipelines.builtin import dates; dates.write({str(tmp_path)!r}, **{SMALL!r})"
    environment = os.environ | {"PYTHONHASHSEED": "13", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert rows_of.read(tmp_path) == splits
    dates.write(tmp_path, **SMALL, seed=1)
    assert rows_of.read(tmp_path) != splits
