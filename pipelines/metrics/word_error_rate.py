"""Word error rate (WER) and character error rate (CER), by jiwer."""

import re
import unicodedata

import jiwer


def normalize(text):
    """Lower case, without punctuation: apostrophes stay inside of a word, hyphens part words."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").replace("-", " ")
    kept = (c if c == "'" or unicodedata.category(c)[0] in "LMNZ" else " " for c in text)
    return " ".join(word for word in (w.strip("'") for w in "".join(kept).split()) if word)


def score(texts, references):
    """Error rates over a whole split.

    Args:
        texts: What was recognized.
        references: What was said, none of them blank.

    Returns:
        `wer` and `cer`: errors (substitutions, deletions, insertions) over the words, and over the
        characters, of all references; and `sentence_error_rate`, the share of texts with an error.
    """
    texts = [re.sub(r"\s+", " ", text).strip() for text in texts]
    references = [re.sub(r"\s+", " ", text).strip() for text in references]
    wrong = sum(text != reference for text, reference in zip(texts, references, strict=True))
    return {
        "wer": float(jiwer.wer(references, texts)),
        "cer": float(jiwer.cer(references, texts)),
        "sentence_error_rate": wrong / len(references),
    }
