import pytest

from pipelines.commands.errors import UserError
from pipelines.commands.left_out import Tally
from pipelines.data.formats import tmx

HEAD = '<?xml version="1.0" encoding="UTF-8"?><tmx version="1.4"><header/><body>'


def unit(**texts):
    inner = "".join(
        f'<tuv xml:lang="{language.replace("_", "-")}"><prop '
        f'type="x">p</prop><seg>{text}</seg></tuv>'
        for language, text in texts.items()
    )
    return f"<tu><note>n</note>{inner}</tu>"


@pytest.fixture
def read(tmp_path):
    def read(*units, languages=None, end="</body></tmx>"):
        path = tmp_path / "a.tmx"
        path.write_text(HEAD + "".join(units) + end, encoding="utf-8")
        tally = Tally("train")
        rows = list(tmx.read(path, tally, languages))
        return [(row["source"], row["target"]) for row in rows], tally._entries

    return read


def test_the_two_languages_in_their_order(read, tmp_path, capsys):
    units = (
        unit(en_GB="a <b>big</b>\n dog", de="ein Hund"),
        unit(en_GB="two"),
        unit(de="x", en_GB="y"),
    )
    assert read(*units) == (
        [("a big dog", "ein Hund"), ("y", "x")],
        [(f"{tmp_path / 'a.tmx'}: unit 2", "no text in one of the two languages")],
    )
    assert capsys.readouterr().out == f"{tmp_path / 'a.tmx'}: en-gb to de\n"


@pytest.mark.parametrize("languages", [("de", "EN"), ("DE", "en-GB"), ("de", "en_gb")])
def test_the_languages_that_are_asked_for(read, languages):
    units = (unit(en_GB="two", de="zwei", fr="deux"),)
    assert read(*units, languages=languages)[0] == [("zwei", "two")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"a\.tmx has 3 languages \(en, de, fr\): choose two by --source-language"),
        ({"languages": ("it", "en")}, r"a\.tmx has no language 'it': it has en, de, fr$"),
        ({"end": ""}, r"^cannot read .*a\.tmx: no element found"),
    ],
)
def test_what_is_wrong_is_named(read, options, message):
    with pytest.raises(UserError, match=message):
        read(unit(en="a", de="b", fr="c"), **options)


def test_codes_of_formatting_are_no_text(read):
    english = 'a <bpt i="1">&lt;b&gt;</bpt>big<ept i="1">&lt;/b&gt;</ept> <hi>old</hi> dog<ph/>'
    assert read(unit(en=english, de="<ut>{\\b</ut>ein Hund"))[0] == [("a big old dog", "ein Hund")]
