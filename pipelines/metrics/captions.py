"""Caption metrics: BLEU-1 to BLEU-4 and CIDEr, by the scorers of the COCO caption evaluation."""

import re
from collections.abc import Sequence

_STRAIGHT = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "–": " -- ", "—": " -- ", "…": " ... "}
)
# Where the Penn Treebank splits inside a word: does|n't, man|'s, can|not, gon|na.
_SPLITS = re.compile(
    r"(?<=\w)(?=(?:n't|'(?:[smd]|re|ve|ll))(?!\w))"
    r"|(?<=\bcan)(?=not\b)|(?<=\bgon)(?=na\b)|(?<=\bwan)(?=na\b)|(?<=\bgot)(?=ta\b)"
    r"|(?<=\bgim)(?=me\b)|(?<=\blem)(?=me\b)"
)
_TOKENS = re.compile(
    r"""
    n't(?!\w) | '(?:[smd]|re|ve|ll)(?!\w) | 'n'(?!\w)       # rock 'n' roll
    | (?:[^\W\d_]\.)+(?!\w)                                 # u.s.
    | (?:mr|mrs|ms|dr|st|jr|sr|vs|etc|ave|mt|no|inc|ltd|co|corp)\.(?!\w)
    | \w+(?:(?:[-/.]                                        # t-shirt, and/or, 3.5
              |(?<=\d)[,:](?=\d)                            # 1,000 and 3:30
              |(?<=[^\W\d])'(?=[^\W\d]))\w+)*               # o'clock
    | \.{2,} | -{2,} | [?!]+ | \S
    """,
    re.VERBOSE,
)
_PUNCTUATION = frozenset(["...", "--", *"'\"(){}.?!,:;-"])


def normalize(text: str) -> str:
    """Tokenizes a caption as the COCO evaluation does before it counts n-grams.

    Lower-cases, splits contractions (`doesn't` to `does n't`, `man's` to `man 's`), keeps
    hyphenated words, numbers and abbreviations whole, and drops punctuation. This follows the
    Stanford PTBTokenizer and the punctuation list of pycocoevalcap, without Java. One difference is
    meant: brackets are dropped, as that list intends but, on lower-cased text, fails to.

    Args:
        text: a caption.

    Returns:
        The tokens, joined by single spaces; possibly the empty string.

    References:
        [Chen et al., 2015](https://arxiv.org/abs/1504.00325), section 3.1.
    """
    text = _SPLITS.sub(" ", text.lower().translate(_STRAIGHT))
    return " ".join(token for token in _TOKENS.findall(text) if token not in _PUNCTUATION)


def score(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Scores one caption per image against all reference captions of that image.

    Both sides are normalized by `normalize`; the numbers are those of pycocoevalcap.

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
        captions = [normalize(caption) for caption in captions]
        words += sum(map(len, captions))
        pair = (normalize(hypothesis), captions)
        bleu += pair
        cider += pair
    if not words:
        raise ValueError("The references hold no words to compare with.")
    bleus, _ = bleu.compute_score(option="closest")
    scores = {f"bleu_{n}": 100 * float(value) for n, value in enumerate(bleus, start=1)}
    return {**scores, "cider": float(cider.compute_score()[0])}
