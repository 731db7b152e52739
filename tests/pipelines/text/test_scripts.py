"""Letters, marks and characters of any script."""

import pytest

from pipelines.text import scripts


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("A Dog's BALL", "a dog's ball"),
        ("Cafe\u0301", "café"),
        ("İstanbul I", "istanbul i"),
        ("ΣΑΣ", "σας"),
        ("co\u00adop \u200eaB\u200f \ufeffc", "coop ab c"),
        ("می\u200cروم ക്\u200d", "می\u200cروم ക്\u200d"),
        ("Straße ẞ", "straße ß"),
    ],
)
def test_fold(text, folded):
    assert scripts.fold(text) == folded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one, two", "one, two"),
        ("iPhone手机3号。", "iPhone 手 机 3 号 。"),
        ("小さなカード", "小 さ な カ ー ド"),
        ("ภาษา ลัก 5๕", "ภ า ษ า ลั ก 5๕"),
        ("ភាសា မြန်မာ ລາວ", "ភា សា မြ န် မာ ລ າ ວ"),
        ("한국어 हिन्दी עברית", "한국어 हिन्दी עברית"),
        ("", ""),
    ],
)
def test_separate_and_spans(text, words):
    assert scripts.separate(text).split() == words.split()
    assert [text[start:end] for start, end in scripts.spans(text)] == words.split()
