"""Word error rate (WER) and character error rate (CER), by jiwer."""

import re
import unicodedata

import jiwer

from pipelines.commands.text_input import nfc
from pipelines.text import scripts

_KEPT = "'\u200c\u200d"  # Inside of a word.


def normalize(text):
    """Lower case, without punctuation: apostrophes stay inside of a word, hyphens part words.

    Marks, and the joiners between letters, belong to words in every script.
    """
    text = scripts.fold(unicodedata.normalize("NFKC", text))
    text = text.replace("\u2019", "'").replace("\u02bc", "'").replace("-", " ")
    kept = (c if c in _KEPT or unicodedata.category(c)[0] in "LMNZ" else " " for c in text)
    return " ".join(word for word in (w.strip(_KEPT) for w in "".join(kept).split()) if word)


def score(texts, references):
    """Error rates over a whole split.

    Args:
        texts: What was recognized.
        references: What was said, none of them blank.

    Returns:
        `wer` and `cer`: errors (substitutions, deletions, insertions) over the words, and over the
        characters, of all references; and `sentence_error_rate`, the share of texts with an error.
        Where no spaces are written between words (Chinese, Thai), each character is a word.
    """
    texts, references = _plain(texts), _plain(references)
    wrong = sum(text != reference for text, reference in zip(texts, references, strict=True))
    return {
        "wer": float(jiwer.wer(_words(references), _words(texts))),
        "cer": float(jiwer.cer(references, texts)),
        "sentence_error_rate": wrong / len(references),
    }


def _plain(texts):
    return [re.sub(r"\s+", " ", nfc(text)).strip() for text in texts]


def _words(texts):
    return [" ".join(scripts.separate(text).split()) for text in texts]
