"""Parallel text as public data sets hold it."""

import json

import pytest

from pipelines.commands.errors import UserError
from tests.strangers.trees import pairs, read, write

ONE, TWO = ("a dog, here", "ein Hund, hier"), ("two", "zwei")
EN, DE = "a dog, here\ntwo\n", "ein Hund, hier\nzwei\n"
LINES = [{"translation": {"en": en, "de": de}} for en, de in (ONE, TWO)]
TMX = """<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu tuid="1"><tuv xml:lang="en-GB"><seg>a <b>dog</b>, here</seg></tuv>
<tuv xml:lang="de"><seg>ein Hund, hier</seg></tuv></tu>
<tu><tuv xml:lang="en-GB"><seg>two</seg></tuv><tuv xml:lang="de"><seg>zwei</seg></tuv></tu>
</body></tmx>"""


@pytest.mark.parametrize(
    "files",
    [
        {"train.en": EN, "train.de": DE},
        {"Europarl/europarl-v7.de-en.en": EN, "Europarl/europarl-v7.de-en.de": DE},
        {
            "OpenSubtitles.en-de.en": EN,
            "OpenSubtitles.en-de.de": DE,
            "OpenSubtitles.en-de.ids": "1\n2\n",
            "README": "x",
            "LICENSE": "y",
        },
        {"train.en.txt": EN, "train.de.txt": DE},
        {"src-train.txt": EN, "tgt-train.txt": DE, "src-val.txt": "x\n", "tgt-val.txt": "y\n"},
        {"train.source": EN, "train.target": DE},
        {
            "deu.txt": "a dog, here\tein Hund, hier\tCC-BY 2.0 (France)\n"
            "two\tzwei\tCC-BY 2.0 (France)\n",
            "_about.txt": "** Info **\n\nCheck, for\n",
        },
        {"pairs.tsv": "1276\ta dog, here\t77\tein Hund, hier\n1277\ttwo\t78\tzwei\n"},
        {"train.csv": 'English,German\n"a dog, here","ein Hund, hier"\ntwo,zwei\n'},
        {
            "eng-deu.csv": "English words/sentences;German words/sentences\n"
            "a dog, here;ein Hund, hier\ntwo;zwei\n"
        },
        {"train.jsonl": "".join(json.dumps(line) + "\n" for line in LINES)},
        {"train.json": LINES},
        {"train.json": {"data": LINES}},
        {"data.tmx": TMX},
        {"train.tsv": "source\ttarget\n" + "".join(f"{en}\t{de}\n" for en, de in (ONE, TWO))},
    ],
    ids=lambda files: next(iter(files)),
)
def test_pairs(tmp_path, files):
    splits, reasons = read(write(tmp_path, files), pairs())
    if min(files).endswith((".de", ".de.txt")) and "-de.de" not in min(files):
        # In the order of names, or as `europarl-v7.de-en` has it.
        splits["train"] = [pair[::-1] for pair in splits["train"]]
    assert splits.pop("train") == [ONE, TWO] and reasons == []
    assert splits == ({"validation": [("x", "y")]} if "src-val.txt" in files else {})


@pytest.mark.parametrize(
    "files",
    [
        {"train.en": EN, "train.de": DE, "train.fr": "un\ndeux\n"},
        {"wmt.de-en.de": DE, "wmt.de-en.en": EN},
        {"a.tmx": TMX},
        {"train.jsonl": "".join(json.dumps(line) + "\n" for line in LINES)},
        {"train.csv": 'id,fr,de,en\n1,un,"ein Hund, hier","a dog, here"\n2,deux,zwei,two\n'},
    ],
    ids=lambda files: next(iter(files)),
)
@pytest.mark.parametrize("languages", [("en", "de"), ("de", "en")])
def test_the_languages_that_are_asked_for(tmp_path, files, languages):
    splits, reasons = read(write(tmp_path, files), pairs(*languages))
    expected = [ONE, TWO] if languages == ("en", "de") else [ONE[::-1], TWO[::-1]]
    assert (splits, reasons) == ({"train": expected}, [])


def test_the_other_sets_of_wmt_are_named(tmp_path, capsys):
    names = ("train", "newstest2013", "newstest2014")
    write(tmp_path, {f"{name}.{end}": name for name in names for end in ("en", "de")})
    assert list(read(tmp_path, pairs())[0]) == ["train"]
    said = capsys.readouterr().out
    assert "parallel files (train.de, train.en)" in said
    assert "de to en; --source-language en --target-language de is the other way" in said
    assert "newstest2013.* is not used" in said and "newstest2014.* is not used" in said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"train.en": EN, "train.de": DE, "train.fr": DE},
            "has train in de, en, fr: choose two by --source-language",
        ),
        ({"train.en": EN, "train.de": "x\n"}, "train.de has 1 line, "),
        ({"a.tmx": "<tmx><body>"}, "cannot read"),
        ({"a.tmx": TMX.replace("en-GB", "en", 1)}, "has 3 languages (en, de, en-gb): choose two"),
        ({"train.json": "{"}, "not JSON, neither as a whole (Expecting property name"),
        ({"train.en": EN}, "Found: train.en."),
        ({"a.png": None}, "It holds images, and this application reads text."),
        ({"train.jsonl": '{"text": "a"}'}, "train.jsonl:1: field 'source' is missing"),
    ],
)
def test_what_is_refused(tmp_path, files, said):
    write(tmp_path, files)
    with pytest.raises(UserError) as caught:
        read(tmp_path, pairs())
    assert said in str(caught.value)


def test_a_language_that_a_memory_lacks(tmp_path):
    with pytest.raises(UserError, match="has no language 'fr': it has en-gb, de"):
        read(write(tmp_path, {"a.tmx": TMX}), pairs("fr", "de"))


@pytest.mark.parametrize(
    "names",
    [
        ("en.txt", "de.txt"),
        ("train_en.txt", "train_de.txt"),
        ("english.txt", "german.txt"),
        ("train/en.txt", "train/de.txt"),
        ("corpus/train.en", "corpus/train.de"),
    ],
)
def test_languages_in_names(tmp_path, names):
    write(tmp_path, dict(zip(names, (EN, DE), strict=True)))
    splits, _ = read(tmp_path, pairs("en", "de") if "english" not in names[0][:7] else pairs())
    assert splits == {"train": [ONE, TWO]}


def test_splits_in_folders_of_languages(tmp_path):
    write(tmp_path, {"train/en.txt": EN, "train/de.txt": DE, "dev/en.txt": "x", "dev/de.txt": "y"})
    splits, _ = read(tmp_path, pairs("en", "de"))
    assert splits == {"train": [ONE, TWO], "validation": [("x", "y")]}


def test_markup_of_iwslt_is_counted(tmp_path):
    write(
        tmp_path,
        {
            f"train.tags.en-de.{end}": f"<url>http://x</url>\n<i> {text}\n{text}\n"
            for end, text in (("en", "a"), ("de", "b"))
        },
    )
    splits, reasons = read(tmp_path, pairs("en", "de"))
    assert splits == {"train": [("a", "b")]} and reasons == ["markup, not text"] * 2


def test_a_data_set_inside_a_folder_is_pointed_at(tmp_path):
    write(tmp_path, {"README.md": "x", "de-en/train.json": LINES, "fr-en/train.json": LINES})
    with pytest.raises(UserError) as caught:
        read(tmp_path, pairs())
    said = f"Did you mean {tmp_path / 'de-en'} or {tmp_path / 'fr-en'}?"
    assert str(caught.value).endswith(said)
