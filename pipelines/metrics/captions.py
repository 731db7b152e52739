"""Caption metrics: BLEU-1 to BLEU-4 and CIDEr, by the scorers of the COCO caption evaluation."""

import unicodedata
from collections.abc import Sequence

import regex

from pipelines.text import scripts

_STRAIGHT = str.maketrans(
    dict.fromkeys("’‘ʼ`", "'")
    | dict.fromkeys("“”", '"')
    | dict.fromkeys("–—", " -- ")
    | {"…": " ... "}
)
_PARTED = ("can not", "gon na", "wan na", "got ta", "gim me", "lem me")
_WORD, _JOINERS, _SPACE = scripts.WORD, scripts.JOINERS, scripts.SPACE
_LETTER = rf"[\p{{L}}\p{{M}}\p{{Nl}}\p{{No}}_{_JOINERS}]"
# Where the Penn Treebank splits inside a word: does|n't, man|'s, can|not, gon|na.
_SPLITS = regex.compile(
    rf"(?<=[{_WORD}])(?=(?:n't|'(?:[smd]|re|ve|ll))(?![{_WORD}]))"
    + "".join(
        rf"|(?<=(?<![{_WORD}]){first})(?={second}(?![{_WORD}]))"
        for first, second in (pair.split() for pair in _PARTED)
    ),
    regex.V1,
)
_TOKENS = regex.compile(
    rf"""
    n't(?![{_WORD}]) | '(?:[smd]|re|ve|ll)(?![{_WORD}]) | 'n'(?![{_WORD}])    # rock 'n' roll
    | (?:[\p{{Latin}}\p{{Nl}}\p{{No}}]\.)+(?![{_WORD}])                       # u.s.
    | (?:mr|mrs|ms|dr|st|jr|sr|vs|etc|ave|mt|no|inc|ltd|co|corp)\.(?![{_WORD}])
    | (?![{_JOINERS}])[{_WORD}]+(?:(?:[-/.]                                   # t-shirt, and/or, 3.5
              |(?<=\p{{Nd}})[,:](?=\p{{Nd}})                                  # 1,000 and 3:30
              |(?<={_LETTER})'(?={_LETTER}))[{_WORD}]+)*                      # o'clock
    | \.{{2,}} | -{{2,}} | [?!]+ | (?![{_SPACE}])\X
    """,
    regex.VERBOSE | regex.V1,
)
_PUNCTUATION = frozenset(["...", "--", *"'\"(){}.?!,:;-"])


def normalize(text: str) -> str:
    """Tokenizes a caption as the COCO evaluation does before it counts n-grams.

    Lower-cases, splits contractions (`doesn't` to `does n't`, `man's` to `man 's`), keeps
    hyphenated words, numbers and abbreviations whole, and drops punctuation. This follows the
    Stanford PTBTokenizer and the punctuation list of pycocoevalcap, without Java. One difference is
    meant: brackets are dropped, as that list intends but, on lower-cased text, fails to.

    In other scripts than Latin, combining marks and joiners belong to the letters before them,
    single letters are no abbreviations, and punctuation of any script is dropped.

    Args:
        text: a caption.

    Returns:
        The tokens in NFC, joined by single spaces; possibly the empty string.

    References:
        [Chen et al., 2015](https://arxiv.org/abs/1504.00325), section 3.1.
    """
    text = _SPLITS.sub(" ", scripts.fold(text).translate(_STRAIGHT))
    return " ".join(token for token in _TOKENS.findall(text) if not _is_punctuation(token))


def score(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Scores one caption per image against all reference captions of that image.

    Both sides are normalized by `normalize`, and what is written without spaces (Chinese, Thai) is
    cut by character; the numbers are those of pycocoevalcap.

    - BLEU-N is that of the whole corpus: the geometric mean of the clipped n-gram precisions up to
      N, times the brevity penalty. The reference length of an image is that of the reference
      closest in length to the hypothesis (of two as close, the shorter).
    - CIDEr is what pycocoevalcap's `Cider` computes and tables call CIDEr: the paper's CIDEr-D. It
      is 10 times the mean, over n = 1...4 and over the references, of the cosine between TF-IDF
      vectors of n-grams (no stemming), the hypothesis' entries clipped at the reference's, times a
      Gaussian penalty (sigma 6) on the difference in length. Document frequencies are counted over
      the images of `references`: give the whole split (for a single image CIDEr is zero). Tables
      that print percent show 0.45 as 45.

    Args:
        hypotheses: one caption per image. An empty caption scores zero.
        references: per image, one or more reference captions.

    Returns:
        `bleu_1` to `bleu_4` between 0 and 100, and `cider`, between 0 and 10.

    Raises:
        ValueError: if the lengths differ, nothing is given, an image has no reference, or no
            reference holds a word.

    References:
        [Papineni et al., 2002](https://aclanthology.org/P02-1040),
        [Vedantam et al., 2015](https://arxiv.org/abs/1411.5726).
    """
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    if len(hypotheses) != len(references):
        raise ValueError(
            "Give one list of references per hypothesis. "
            f"Received: {len(hypotheses)} hypotheses, {len(references)} lists of references."
        )
    bleu, cider = BleuScorer(n=4), CiderScorer(n=4, sigma=6.0)
    words = 0
    for index, (hypothesis, captions) in enumerate(zip(hypotheses, references, strict=True)):
        if isinstance(captions, str) or not captions:
            raise ValueError(
                f"Every image needs a list of references. Received: {captions!r} for image {index}."
            )
        captions = [_words(caption) for caption in captions]
        words += sum(map(len, captions))
        pair = (_words(hypothesis), captions)
        bleu += pair
        cider += pair
    if not words:
        raise ValueError("The references hold no words to compare with.")
    bleus, _ = bleu.compute_score(option="closest")
    scores = {f"bleu_{n}": 100 * float(value) for n, value in enumerate(bleus, start=1)}
    return {**scores, "cider": float(cider.compute_score()[0])}


def _words(text):
    """What n-grams are made of, joined by single spaces."""
    return " ".join(scripts.separate(normalize(text)).split())


def _is_punctuation(token):
    other = not token.isascii() and unicodedata.category(token[0]).startswith("P")
    return other or token in _PUNCTUATION
