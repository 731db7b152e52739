"""What was heard in an utterance and where in its sound: words, attention and CTC over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np

from pipelines.audio.log_mel import FRAME_SECONDS
from pipelines.maps import speech_pages, speech_pictures
from pipelines.maps.attention_maps import AttentionMap, attention_maps
from pipelines.maps.gallery import Drawable
from pipelines.text import scripts
from pipelines.text.speech_units import UNKNOWN, Units
from pipelines.text.tokenizer import SPECIAL

BLANK = "blank"


@dataclass(frozen=True, eq=False)
class SpeechMap(Drawable):
    """A transcript over the sound that it was heard in.

    Attributes:
        log_mel: float32 `(F, M)`, a frame each `log_mel.FRAME_SECONDS`.
        words: of each decoded word its text, and where it starts and ends, in seconds.
        tokens: the T decoded units as shown.
        token_words: of each token the index of its word, or -1 if it is part of none.
        weights: float32 `(T, S)`, the attention of each token, or `None` for CTC alone.
        seconds_per_position: what each of the S positions takes.
        posteriors: float32 `(S, V + 1)`, the probabilities of CTC, the blank last, or `None`.
        outputs: the names of the V + 1.
        text: the transcript.
        reference: what was said, possibly empty.
        name: the sound's, such as its file name.
        sound: float32 samples, `audio_files.RATE` a second, or `None`.
        normalize: what scoring makes of a text before it compares words.

    Raises:
        ValueError: if the spectrogram is empty, or names do not fit the shapes.
    """

    log_mel: np.ndarray
    words: tuple[tuple[str, float, float], ...] = ()
    tokens: tuple[str, ...] = ()
    token_words: tuple[int, ...] = ()
    weights: np.ndarray | None = None
    seconds_per_position: float = 4 * FRAME_SECONDS
    posteriors: np.ndarray | None = None
    outputs: tuple[str, ...] = ()
    text: str = ""
    reference: str = ""
    name: str = ""
    sound: np.ndarray | None = None
    normalize: Callable[[str], str] = str

    write_page = staticmethod(speech_pages.write_html)

    def __post_init__(self):
        for field in ("words", "tokens", "token_words", "outputs"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field in ("log_mel", "weights", "posteriors", "sound"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, np.asarray(getattr(self, field), "float32"))
        if self.log_mel.ndim != 2 or not self.log_mel.size:
            raise ValueError(
                f"A spectrogram has frames and bands. Received: log_mel {self.log_mel.shape}."
            )
        named = len(self.tokens) == len(self.token_words)
        if self.weights is not None:
            named &= self.weights.ndim == 2 and len(self.weights) == len(self.tokens)
        if self.posteriors is not None:
            named &= self.posteriors.ndim == 2 and self.posteriors.shape[1] == len(self.outputs)
        if not named:
            shapes = [None if a is None else a.shape for a in (self.weights, self.posteriors)]
            raise ValueError(
                "A token needs a name, the index of its word and a row of the weights; an output "
                f"a name and a column of the posteriors. Received: {len(self.tokens)} tokens, "
                f"{len(self.token_words)} token_words, {len(self.outputs)} outputs, weights and "
                f"posteriors of shape {shapes[0]} and {shapes[1]}."
            )

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes of the weights."""
        return ("token", "time")

    @property
    def seconds(self) -> float:
        """How long the spectrogram is."""
        return len(self.log_mel) * FRAME_SECONDS

    @property
    def map(self) -> AttentionMap | None:
        """The attention of each word, the mean over its tokens: axes word, time."""
        if self.weights is None:
            return None
        words, grid = [word for word, _, _ in self.words], self.weights.shape[1:]
        return attention_maps(words, self.weights, self.token_words, grid, ("word", "time"))

    @property
    def loudness(self) -> np.ndarray:
        """The spectrogram as float32 from 0 to 1: up from its noise, at most 60 dB."""
        high = self.log_mel.max(initial=-np.inf)
        low = max(np.percentile(self.log_mel, 5), high - np.log(1e6))
        return ((self.log_mel - low) / max(high - low, 1e-6)).clip(0, 1)

    @property
    def differences(self) -> tuple[list[str | None], list[bool]]:
        """Where the words differ from the reference: see `errors`."""
        return errors([word for word, _, _ in self.words], self.reference, self.normalize)

    def draw(self, path: str | Path) -> None:
        """Draws spectrogram, attention and CTC over one axis of time."""
        speech_pictures.draw_png(path, self)

    def arrays(self) -> dict[str, np.ndarray]:
        """What an `.npz` file holds of the map.

        `name`, `words`, `word_times` (start and end in seconds), `log_mel` and `tokens`; with
        attention `weights` (per word), `axes` and `token_weights`; with CTC `posteriors` and
        `outputs`.
        """
        times = [(start, end) for _, start, end in self.words]
        arrays = {
            "name": np.array(self.name),
            "words": np.array([word for word, _, _ in self.words], dtype=str),
            "word_times": np.array(times, "float32").reshape(-1, 2),
            "log_mel": self.log_mel,
            "tokens": np.array(self.tokens, dtype=str),
        }
        if self.weights is not None:
            arrays |= {**self.map.arrays(), "token_weights": self.weights}
        if self.posteriors is not None:
            arrays |= {"posteriors": self.posteriors, "outputs": np.array(self.outputs, dtype=str)}
        return arrays


def speech_map(
    heard,
    tokenizer: Units,
    log_mel: np.ndarray,
    reference: str = "",
    name: str = "",
    sound: np.ndarray | None = None,
    seconds_per_position: float = 4 * FRAME_SECONDS,
    normalize: Callable[[str], str] = str,
) -> SpeechMap:
    """What a recognizer heard, as a map.

    Args:
        heard: a `pipelines.decoding.transcriber.Heard`.
        tokenizer: whose ids its tokens are.
        log_mel: `(F, M)`.
        reference: what was said.
        name: the sound's, such as its file name.
        sound: samples, `audio_files.RATE` a second, for the page to play.
        seconds_per_position: what each position of the memory takes.
        normalize: what scoring makes of a text before it compares words.

    Returns:
        The `SpeechMap`.
    """
    outputs = ()
    if heard.log_probs is not None:
        outputs = (*unit_names(tokenizer, range(heard.log_probs.shape[1] - 1)), BLANK)
    return SpeechMap(
        log_mel=log_mel,
        words=heard.words,
        tokens=unit_names(tokenizer, heard.tokens),
        token_words=tuple(heard.token_words.tolist()),
        weights=heard.weights,
        posteriors=None if heard.log_probs is None else np.exp(heard.log_probs),
        seconds_per_position=seconds_per_position,
        outputs=outputs,
        text=heard.text,
        reference=reference,
        name=name,
        sound=sound,
        normalize=normalize,
    )


def unit_names(tokenizer: Units, ids: Sequence[int]) -> tuple[str, ...]:
    """How units are shown: by their text, with a mark before those that begin a word."""
    nameless, names = (*SPECIAL, UNKNOWN), []
    for unit in map(int, ids):
        text = tokenizer.decode([unit])
        if text:
            begins = tokenizer.decode([unit, unit]) == f"{text} {text}"
            names.append(Units.SPACE + text if begins else text)
        else:
            names.append(nameless[unit] if unit < len(nameless) else Units.SPACE)
    return tuple(names)


def errors(
    words: Sequence[str], reference: str, normalize: Callable[[str], str] = str
) -> tuple[list[str | None], list[bool]]:
    """Where a transcript differs from its reference, by the alignment that its WER counts.

    Args:
        words: what was heard.
        reference: what was said; if it is empty there is nothing to differ from.
        normalize: what scoring makes of a text before it compares words. A word of which it leaves
            nothing is right, and one that it parts is right if each part is.

    Returns:
        For each word `None` if it is right, else the words of the reference in whose place it
        stands, or "" for one too many; and for each word of the reference whether it was missed.
    """
    heard, said = _parts(words, normalize), _parts(reference.split(), normalize)
    wrong, beside = [False] * len(words), [[] for _ in words]
    missed = [False] * len(reference.split())
    if not said:
        return [None] * len(words), missed
    texts = (" ".join(part.text for part in parts) for parts in (said, heard))
    for chunk in jiwer.process_words(*texts).alignments[0]:
        differs = chunk.type != "equal"
        wanted = said[chunk.ref_start_idx : chunk.ref_end_idx]
        for part in wanted:
            missed[part.word] |= differs
        for i, part in enumerate(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]):
            wrong[part.word] |= differs
            beside[part.word] += [each for each in wanted[i : i + 1] if differs or each.whole]
    return [_shown(each) if bad else None for each, bad in zip(beside, wrong, strict=True)], missed


class _Part(NamedTuple):
    """What is compared: its word, by place and whole, unless characters count as words."""

    text: str
    word: int
    whole: str | None


def _parts(words, normalize):
    found = []
    for number, word in enumerate(words):
        normal = normalize(word).split()
        parts = scripts.separate(" ".join(normal)).split()
        whole = word if len(parts) == len(normal) else None
        found += [_Part(text, number, whole) for text in parts]
    return found


def _shown(parts):
    """The words that parts are of, each once, or the characters."""
    words = {part.word: part.whole for part in parts if part.whole}
    return " ".join(
        [*words.values(), *filter(None, ["".join(p.text for p in parts if not p.whole)])]
    )
