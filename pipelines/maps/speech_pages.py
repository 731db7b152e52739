"""What was heard in utterances as one HTML page to explore: listen, word by word."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from pipelines.audio.audio_files import RATE
from pipelines.maps import page
from pipelines.maps.colors import scale
from pipelines.maps.speech_pictures import ticks

_NARROW, _WIDE = 100, 400  # pixels of a second; what is too wide for the page scrolls
_TICK = 44  # pixels of a tick at least
_LONGEST = 60000  # pixels of all of a sound
_WIDEST = 16000  # pixels of its picture


def write_html(
    path: str | Path,
    maps: Iterable,
    title: str | None = None,
    scores: Mapping[str, float] | None = None,
) -> None:
    """Writes one self-contained page of sounds, their spectrograms and the words heard in them.

    Pointing at, tapping or focusing a word shades the spectrogram by the word's attention, or marks
    the word's time where there is none; a click plays it. A line follows what is played. Words that
    differ from the reference are marked, in it as well. The page needs no other file and no
    network, and its policy forbids any request. All text is escaped.

    Args:
        path: the HTML file to write.
        maps: of `speech_maps.SpeechMap`, in order.
        title: the heading, by default "What was heard, and when".
        scores: metrics of the model, shown below the heading.
    """
    maps = list(maps)
    page.write(
        path,
        "speech_page.html",
        title or "What was heard, and when",
        map(_article, maps),
        scores,
        data=list(map(_pack, maps)),
        media=("img", "media"),
    )


def _article(shown) -> str:
    instead, missed = shown.differences
    spans, buttons = [], []
    for (word, start, end), right in zip(shown.words, instead, strict=True):
        left = f"left:{_percent(start, shown)}"
        spans.append(f'<i style="{left};width:{_percent(end - start, shown)}"></i>')
        buttons.append(
            f'<button type="button" style="{left}" dir="auto"{_difference(right)}>'
            f"{page.escape(word)}</button>"
        )
    heard = f'<div class="words">{"".join(buttons)}</div>' if buttons else "<p>No words.</p>"
    said = " ".join(
        f"<mark>{page.escape(word)}</mark>" if wrong else page.escape(word)
        for word, wrong in zip(shown.reference.split(), missed, strict=True)
    )
    wanted = f'<p class="reference" dir="auto"><b>Reference</b> {said}</p>\n' if said else ""
    name, text = page.escape(shown.name), page.escape(shown.text)
    sound = shown.sound is not None and shown.sound.size
    source = f'<audio controls aria-label="{name}" src="{_flac(shown)}"></audio>' if sound else ""
    return (
        f'<article>\n<h2 dir="auto">{name}</h2>\n<div class="scroll">{_ruler(shown)}\n'
        f'<div class="picture"><img src="{_jpeg(shown)}" alt="Spectrogram: {text}">'
        '<canvas height="1" aria-hidden="true"></canvas><div class="line" hidden></div></div>\n'
        f'<div class="spans" aria-hidden="true">{"".join(spans)}</div>\n{heard}\n</div></div>\n'
        f'<div class="bar">{source}<div class="share" aria-live="polite"></div></div>\n'
        f"{wanted}</article>"
    )


def _ruler(shown) -> str:
    """What opens the part of an article that is as wide as its time, with the seconds above."""
    times = ticks(shown.seconds)
    least = min(max(_NARROW * shown.seconds, _TICK * len(times)), _LONGEST)
    most = max(_WIDE * shown.seconds, _TICK * 10)
    marks = "".join(
        f'<span style="left:{_percent(time, shown)}">{time:.3g} s</span>' for time in times
    )
    return (
        f'<div class="time" style="min-width:{least:.0f}px;max-width:{most:.0f}px">\n'
        f'<div class="ticks" aria-hidden="true">{marks}</div>'
    )


def _percent(seconds: float, shown) -> str:
    return f"{100 * seconds / shown.seconds:.4g}%"


def _difference(right: str | None) -> str:
    """The attributes of a word, given what `errors` says it stands for."""
    if right is None:
        return ""
    title = f"the reference has “{right}”" if right else "not in the reference"
    return f' class="wrong" title="{page.escape(title)}"'


def _flac(shown) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, shown.sound, RATE, format="FLAC", subtype="PCM_16")
    return page.data_url("audio/flac", buffer.getvalue())


def _jpeg(shown) -> str:
    """The spectrogram in grey, dark where it is loud, high frequencies above."""
    pixels = np.rint(255 * (1 - shown.loudness.T[::-1])).astype("uint8")
    picture = Image.fromarray(pixels)
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, picture.height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, format="jpeg", quality=90)
    return page.data_url("image/jpeg", buffer.getvalue())


def _pack(shown) -> dict:
    """Times in seconds; of each word the heat of its positions, in 255ths, where there is any."""
    words = [{"start": round(start, 4), "end": round(end, 4)} for _, start, end in shown.words]
    if shown.weights is not None:
        centres = (np.arange(shown.weights.shape[1]) + 0.5) * shown.seconds_per_position
        for word, row in zip(words, shown.map.weights, strict=True):
            heat = row / scale(row) if row.size else row
            hot = np.flatnonzero(np.rint(255 * heat))
            first, stop = (int(hot[0]), int(hot[-1]) + 1) if len(hot) else (0, 0)
            within = row[(centres >= word["start"]) & (centres < word["end"])].sum()
            word |= {"within": float(f"{within:.4g}"), "first": first}
            word |= {"heat": page.pack(heat[first:stop])}
    step = round(shown.seconds_per_position, 6)
    return {"seconds": round(shown.seconds, 4), "step": step, "words": words}
