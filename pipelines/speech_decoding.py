"""Transcribes spectrograms: by the paths of CTC, by the attention decoder, or by both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from pipelines import ctc_alignment, ctc_decoding, segments
from pipelines.cache import progress_bar
from pipelines.console import console
from pipelines.ctc_prefix import JointModel
from pipelines.decoding import Generator
from pipelines.log_mel import FRAME_SECONDS
from pipelines.text import END
from pipelines.text_decoding import padded_length

SECONDS = 4 * FRAME_SECONDS  # From one position of a memory to the next.


@dataclass(frozen=True, eq=False)
class Heard:
    """What was heard in one utterance.

    Attributes:
        text: The transcript.
        words: Of each word its text, and where it starts and ends, in seconds.
        tokens: `(T,)`, ids without start and end.
        weights: `(T, S)`, where the decoder listened for each token; `None` without one.
        log_probs: `(S, V + 1)`, what CTC says; `None` without it.
    """

    text: str
    words: tuple
    tokens: np.ndarray
    weights: np.ndarray | None
    log_probs: np.ndarray | None


class Listener(keras.Model):
    """The CTC log-probabilities of a `layers.SpeechToText`; `predict` compiles it."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs):
        return self.model.listen(inputs)


class Recognizer:
    """A model, its units, and a way to decode.

    Args:
        model: A `layers.SpeechToText`.
        tokenizer: A `pipelines.speech_units.Units`.
        normalization: The `pipelines.mel_store.Normalization` that it was trained with.
        method: "ctc", "ctc_beam", "attention" or "joint".
        max_length: Most units of a text.
        max_frames: Longest sound, in frames; what is longer is heard in pieces.
        beams: Candidates of a beam search.
        ctc_weight: Share of CTC in joint decoding.
        length_penalty: Of the attention decoder's beam search.
        language_model: An n-gram model for "ctc_beam", or `None`.
        language_model_weight: How much it counts.
    """

    def __init__(
        self,
        model,
        tokenizer,
        normalization,
        method,
        max_length,
        max_frames,
        beams=8,
        ctc_weight=0.4,
        length_penalty=0.0,
        language_model=None,
        language_model_weight=0.0,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.normalization = normalization
        self.method = method
        self.max_frames = max_frames
        self.beams = beams
        self.language_model = language_model
        self.language_model_weight = language_model_weight
        self.listener = None if model.ctc_head is None else Listener(model)
        self.generator = None
        if method in ("attention", "joint"):
            searched = JointModel(model, ctc_weight) if method == "joint" else model
            self.generator = Generator(
                searched,
                max_length + 1,
                method="beam" if beams > 1 else "greedy",
                beams=beams,
                length_penalty=length_penalty,
            )

    def transcribe(
        self, log_mels: Sequence[np.ndarray], batch_size=16, description="transcribing"
    ) -> list[Heard]:
        """Transcribes utterances, the longest first, and shows the progress on a terminal.

        Args:
            log_mels: Spectrograms `(F, M)`, not normalized.
            batch_size: Pieces decoded at once.
            description: What the progress bar says.

        Returns:
            A `Heard` for each, in their order.
        """
        pieces = [
            (row, start, stop)
            for row in range(len(log_mels))
            for start, stop in segments.cut(log_mels[row], self.max_frames)
        ]
        found = [None] * len(pieces)
        order = sorted(range(len(pieces)), key=lambda i: pieces[i][1] - pieces[i][2])
        batch_size = max(min(batch_size, len(order)), 1)
        progress = progress_bar()
        progress.disable = not console.is_terminal or len(order) <= batch_size
        with progress:
            task = progress.add_task(description, total=len(order))
            for first in range(0, len(order), batch_size):
                chosen = order[first : first + batch_size]
                cuts = [
                    log_mels[row][start:stop]
                    for row, start, stop in map(pieces.__getitem__, chosen)
                ]
                for i, heard in zip(chosen, self._decode(cuts, batch_size), strict=True):
                    found[i] = heard
                progress.advance(task, len(chosen))
        results = [[] for _ in log_mels]
        for (row, start, _), heard in zip(pieces, found, strict=True):
            results[row].append((start, heard))
        return [_join(parts) for parts in results]

    def _decode(self, cuts, batch_size):
        """Decodes a batch, filled up to its size so that this is no new shape to compile for."""
        length = padded_length(max(len(cut) for cut in cuts))
        features = np.zeros((batch_size, length, cuts[0].shape[1]), "float32")
        frames = np.ones(batch_size, "int32")
        for i, cut in enumerate(cuts):
            features[i, : len(cut)], frames[i] = self.normalization.apply(cut), len(cut)
        inputs = {"features": features, "frames": frames}
        positions = [-(-len(cut) // 4) for cut in cuts]
        log_probs = [None] * len(cuts)
        if self.listener is not None:
            every = self.listener.predict_on_batch(inputs)
            log_probs = [every[i, :count] for i, count in enumerate(positions)]
        if self.generator is None:
            outputs = [(self._search(each), None) for each in log_probs]
        else:
            outputs = list(_sequences(self.generator.predict_on_batch(inputs), positions))
        return [self._heard(*output, each) for output, each in zip(outputs, log_probs, strict=True)]

    def _search(self, log_probs):
        if self.method == "ctc":
            return ctc_decoding.greedy(log_probs[None])[0]
        found = ctc_decoding.prefix_beam(
            log_probs,
            beams=self.beams,
            language_model=self.language_model,
            weight=self.language_model_weight,
        )
        return found[0][0]

    def _heard(self, tokens, weights, log_probs):
        ids = np.asarray(tokens, "int32")
        words, positions = self.tokenizer.words(ids)
        return Heard(
            text=self.tokenizer.decode(ids),
            words=tuple(
                ctc_alignment.word_times(words, positions, _spans(ids, weights, log_probs), SECONDS)
            ),
            tokens=ids,
            weights=weights,
            log_probs=log_probs,
        )


def _sequences(decoded, positions):
    """Ids and weights of each utterance, cut to what there is of them."""
    for tokens, weights, count in zip(
        decoded["tokens"], decoded["weights"], positions, strict=False
    ):
        ends = np.flatnonzero(tokens == END)
        length = ends[0] if len(ends) else len(tokens)
        yield tokens[:length], weights[:length, :count]


def _spans(ids, weights, log_probs):
    """First and last position of each token: by CTC if these tokens fit, else by attention."""
    if log_probs is not None:
        try:
            return ctc_alignment.align(log_probs, ids)
        except ValueError:
            if weights is None:
                raise
    peaks = np.maximum.accumulate(weights.argmax(-1)) if len(ids) else []
    return [(int(peak), int(peak)) for peak in peaks]


def _join(parts):
    """The pieces of one utterance as one."""
    if len(parts) == 1:
        return parts[0][1]
    heard = [piece for _, piece in parts]
    words = tuple(
        (word, first + start * FRAME_SECONDS, last + start * FRAME_SECONDS)
        for start, piece in parts
        for word, first, last in piece.words
    )
    whole = Heard(
        text=" ".join(piece.text for piece in heard if piece.text),
        words=words,
        tokens=np.concatenate([piece.tokens for piece in heard]),
        weights=None,
        log_probs=None,
    )
    if heard[0].log_probs is not None:
        whole = replace(whole, log_probs=np.concatenate([piece.log_probs for piece in heard]))
    if heard[0].weights is not None:
        whole = replace(whole, weights=_block_diagonal([piece.weights for piece in heard]))
    return whole


def _block_diagonal(blocks):
    rows, columns = np.sum([block.shape for block in blocks], axis=0)
    whole, row, column = np.zeros((rows, columns), "float32"), 0, 0
    for block in blocks:
        whole[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return whole
