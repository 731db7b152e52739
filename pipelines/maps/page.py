"""What all pages of maps share: templates, style, policy, tiles of scores, data and pictures."""

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from pipelines.commands.disk.files import write_text
from pipelines.commands.terminal import fixed, printable

_FOLDER = Path(__file__).parent
_NAMES = {
    **{f"bleu_{n}": f"BLEU-{n}" for n in range(1, 5)},
    "bleu": "BLEU",
    "bleu_lowercase": "BLEU, lower case",
    "cer": "CER",
    "chrf": "chrF",
    "cider": "CIDEr",
    "f1": "F1",
    "macro_f1": "macro F1",
    "span_f1": "span F1",
    "dictionary_span_f1": "dictionary span F1",
    "top_1": "top-1 accuracy",
    "top_5": "top-5 accuracy",
    "wer": "WER",
    **{
        f"{prefix}rouge_{kind}": f"{shown}ROUGE-{kind.upper()}"
        for prefix, shown in (("", ""), ("lead_", "Lead "), ("lead_3_", "Lead-3 "))
        for kind in ("1", "2", "l")
    },
}


def write(
    path: str | Path,
    template: str,
    title: str,
    articles: Iterable[str] = (),
    scores: Mapping[str, float] | None = None,
    data: object = None,
    media: Iterable[str] = (),
    **texts: str,
) -> None:
    """Fills a template and writes it as one self-contained page.

    The page needs no other file and no network, and its policy forbids any request. It may run a
    script only if there are data for one.

    Args:
        path: the HTML file to write.
        template: the name of the template, a file beside this one.
        title: the heading, plain text.
        articles: what is shown, in order, as HTML in which all text is escaped.
        scores: metrics of the model, shown as tiles below the heading.
        data: what the script of the template reads, as JSON has it.
        media: what articles embed by data URLs, of "img" and "media" (sounds and films).
        texts: what else stands in the template, plain text.
    """
    policy = ["default-src 'none'", *(f"{kind}-src data:" for kind in media)]
    policy.append("style-src 'unsafe-inline'")
    if data is not None:
        policy.append("script-src 'unsafe-inline'")
    filled = Template((_FOLDER / template).read_text("utf-8")).substitute(
        {name: html.escape(text) for name, text in texts.items()},
        title=escape(title),
        policy="; ".join(policy),
        style=(_FOLDER / "page.css").read_text("utf-8").rstrip(),
        scores=tiles(scores or {}),
        articles="\n".join(articles),
        data=embed(data),
    )
    write_text(path, filled)


def tiles(scores: Mapping[str, float]) -> str:
    """The scores under their usual names, as an HTML list, or "" where there are none."""
    shown = "".join(
        f"<div><dt>{html.escape(_NAMES.get(name, name.replace('_', ' ')))}</dt>"
        f"<dd>{_three_digits(value)}</dd></div>"
        for name, value in scores.items()
    )
    return f"<dl>{shown}</dl>" if shown else ""


def _three_digits(value: float) -> str:
    short = f"{value:.3g}"
    return fixed(value) if "e" in short else short


def escape(text: str) -> str:
    """A name, a label or a word as HTML, on one line."""
    return html.escape(printable(text))


def embed(data: object) -> str:
    """JSON that stands in a script element: nothing in it can end that or begin a comment."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def data_url(kind: str, content: bytes) -> str:
    """The URL that holds its own content, of a kind such as "image/png"."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture_url(picture: Image.Image) -> str:
    """A picture as a data URL, the smaller of PNG (drawings) and JPEG (photographs)."""
    urls = []
    for kind in ("png", "jpeg"):
        buffer = io.BytesIO()
        picture.save(buffer, format=kind, quality=92)
        urls.append(data_url(f"image/{kind}", buffer.getvalue()))
    return min(urls, key=lambda url: len(url.partition(",")[2]))


def pack(shares: np.ndarray) -> str:
    """Numbers from 0 to 1 in 255ths, a byte each, as base64."""
    return base64.b64encode(np.rint(255 * np.asarray(shares)).astype("uint8").tobytes()).decode()


def parts(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest weight of each word, and all weights as parts of that.

    Args:
        weights: `(words, …)`.

    Returns:
        `(words,)`, and an array like `weights`; a word without weights has parts of zero.
    """
    rest = tuple(range(1, weights.ndim))
    largest = weights.max(rest, initial=0)
    return largest, weights / np.expand_dims(np.where(largest > 0, largest, 1), rest)


def rounded(values: Iterable[float], digits: int) -> list[float]:
    """Numbers with so many significant digits, for JSON."""
    return [float(f"{value:.{digits}g}") for value in values]
