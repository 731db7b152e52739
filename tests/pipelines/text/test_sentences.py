import pytest

from pipelines.text import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("  One\t two.  Three.  ", ["One two.", "Three."]),
        ("", []),
        (" \n ", []),
        (
            "“Really?” he asked. 'Yes.' (No.) She left.",
            ["“Really?” he asked.", "'Yes.'", "(No.)", "She left."],
        ),
        ("He said: 'Go.' They went.", ["He said: 'Go.'", "They went."]),
        ("Wait... what? So… Then it ended.", ["Wait... what?", "So…", "Then it ended."]),
        # Abbreviations, initials, counters.
        (
            "Mr. J. K. Smith met Dr. Who. They spoke.",
            ["Mr. J. K. Smith met Dr. Who.", "They spoke."],
        ),
        (
            "See Lee et al. Fig. 3 and Sec. 2. Then go.",
            ["See Lee et al. Fig. 3 and Sec. 2.", "Then go."],
        ),
        ("Use e.g. Keras, i.e. Layers. Done.", ["Use e.g. Keras, i.e. Layers.", "Done."]),
        (
            "The U.S. Senate met at 5 p.m. Friday. He left the U.S. The end.",
            ["The U.S. Senate met at 5 p.m. Friday.", "He left the U.S.", "The end."],
        ),
        ("Is it? No. We cannot.", ["Is it?", "No.", "We cannot."]),
        (
            "On Jan. 5 it rained. In Feb. It snowed.",
            ["On Jan. 5 it rained.", "In Feb.", "It snowed."],
        ),
        # No split inside what has no white space.
        (
            "Returns a numpy.ndarray of 3.14. See a.B.c or v1.2.",
            ["Returns a numpy.ndarray of 3.14.", "See a.B.c or v1.2."],
        ),
        ("Like x.y. ``numpy.sum`` adds.", ["Like x.y.", "``numpy.sum`` adds."]),
        ("goes on. in lower case", ["goes on. in lower case"]),
        ("a dog . a cat . the end .", ["a dog .", "a cat .", "the end ."]),
        # Lines.
        ("First line\nSecond line", ["First line", "Second line"]),
        ("A line that\nwraps. Next.", ["A line that wraps.", "Next."]),
        ("A title\r\n\r\nand a paragraph", ["A title", "and a paragraph"]),
        ("- one\n- two", ["- one", "- two"]),
        ("Do this. 1. Open it. 2. Close it.", ["Do this.", "1. Open it.", "2. Close it."]),
        # Other scripts.
        ("今天下雨。明天呢？「好！」走吧", ["今天下雨。", "明天呢？", "「好！」", "走吧"]),
        ("मैं हूँ। तुम हो।", ["मैं हूँ।", "तुम हो।"]),
        ("Да. Нет. Это г. москва.", ["Да.", "Нет.", "Это г. москва."]),
        ("كيف حالك؟ بخير.", ["كيف حالك؟", "بخير."]),
        ("یہ کتاب ہے۔ پی۔ایچ۔ڈی", ["یہ کتاب ہے۔", "پی۔ایچ۔ڈی"]),
        ("ሰላም። እንዴት ነህ፧ ደህና።", ["ሰላም።", "እንዴት ነህ፧", "ደህና።"]),
        ("Τι κάνεις; Καλά.", ["Τι κάνεις;", "Καλά."]),
        ("with rate β; The rest", ["with rate β; The rest"]),
        ("გამარჯობა. როგორ ხარ? კარგად", ["გამარჯობა.", "როგორ ხარ?", "კარგად"]),
        ("А. С. Пушкин жил. Он умер.", ["А. С. Пушкин жил.", "Он умер."]),
        ("ក។ខ។ ချစ်။ဟုတ်။", ["ក។", "ខ។", "ချစ်။", "ဟုတ်။"]),
        ("値は３．１４です．次", ["値は３．１４です．", "次"]),
    ],
)
def test_sentences(text, expected):
    assert list(sentences.split(text)) == expected


def test_nothing_is_lost():
    text = "Mr. A. said: “Go!” 3.5 of 7. \n\n* Item (e.g. this). a.b.c。最后 . x\n end"
    assert " ".join(sentences.split(text)).split() == text.replace("。", "。 ").split()


def test_only_what_is_taken_is_read():
    taken = sentences.split("First. " + "Another one. " * 3)
    assert next(taken) == "First."
    assert list(taken) == ["Another one."] * 3
