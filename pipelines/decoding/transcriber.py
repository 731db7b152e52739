"""Speech recognition: transcribes audio by CTC, by the attention decoder, or by both jointly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from pipelines.commands.cluster import processes
from pipelines.commands.terminal import progress_bar
from pipelines.decoding import ctc_alignment, ctc_decoding
from pipelines.decoding.ctc_prefix import JointModel
from pipelines.decoding.generator import Generator
from pipelines.text.divided_words import divided_words
from pipelines.text.tokenizer import END

LEAST_WEIGHT = 1e-9


@dataclass(frozen=True, eq=False)
class Heard:
    """The transcript of one utterance, and what it rests on.

    Attributes:
        text: The transcript.
        words: Of each word its text, and where it starts and ends, in seconds.
        tokens: `(T,)`, ids without start and end.
        token_words: `(T,)`, the index of the word that each is part of, or -1.
        weights: `(T, S)`, attention weights of each token; `None` without a decoder.
        log_probs: `(S, V + 1)`, log-probabilities of CTC; `None` without it.
        score: What the text was ranked by: with greedy CTC the log-probability of its path, with
            beam search its score there. The sum over the pieces of an utterance.
        alternatives: Further texts of beam search and their scores, the best first; none of an
            utterance in pieces.
    """

    text: str
    words: tuple
    tokens: np.ndarray
    token_words: np.ndarray
    weights: np.ndarray | None
    log_probs: np.ndarray | None
    score: float = 0.0
    alternatives: tuple[tuple[str, float], ...] = ()


class Listener(keras.Model):
    """The CTC log-probabilities of a `layers.SpeechToText`; `predict` compiles it."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.built = True

    def call(self, inputs):
        return self.model.listen(inputs)


class Transcriber:
    """Decodes a speech model in one of several ways.

    Args:
        model: A `layers.SpeechToText` or `layers.Whisper`.
        tokenizer: A `pipelines.text.speech_units.Units`, or the `Tokenizer` of a Whisper.
        front_end: The one of `pipelines.audio.front_ends` that the model hears by.
        method: "ctc", "ctc_beam", "attention" or "joint"; of these, a Whisper has "attention".
        max_length: Most units of a text.
        beams: Beam width.
        ctc_weight: Weight of CTC in joint decoding, between 0 and 1.
        length_penalty: Length penalty of the attention decoder's beam search.
        language_model: An n-gram model for "ctc_beam", or `None`.
        language_model_weight: Weight of its log-probabilities.
        language_model_bonus: Insertion bonus per unit, to offset its bias to short texts.
        alternatives: How many further texts of beam search to return; less than `beams`.
    """

    def __init__(
        self,
        model,
        tokenizer,
        front_end,
        method,
        max_length,
        beams=8,
        ctc_weight=0.2,
        length_penalty=0.0,
        language_model=None,
        language_model_weight=0.0,
        language_model_bonus=0.0,
        alternatives=0,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.front_end = front_end
        self.method = method
        self.beams = beams
        self.language_model = language_model
        self.language_model_weight = language_model_weight
        self.language_model_bonus = language_model_bonus
        self.alternatives = alternatives
        self.listener = None if getattr(model, "ctc_head", None) is None else Listener(model)
        self.generator = None
        if method in ("attention", "joint"):
            searched = JointModel(model, ctc_weight) if method == "joint" else model
            self.generator = Generator(
                searched,
                max_length + 1,
                method="beam" if beams > 1 else "greedy",
                beams=beams,
                length_penalty=length_penalty,
                alternatives=alternatives,
            )

    def transcribe(
        self, sounds: Sequence[np.ndarray], batch_size=16, description="transcribing"
    ) -> list[Heard]:
        """Transcribes utterances, the longest first, and shows the progress on a terminal.

        Args:
            sounds: Audio as the front end has it: spectrograms `(F, M)` or samples `(n,)`. What is
                too long is transcribed in pieces.
            batch_size: Pieces decoded at once.
            description: What the progress bar says.

        Returns:
            A `Heard` for each, in their order.
        """
        pieces = [
            (row, start, stop)
            for row in range(len(sounds))
            for start, stop in self.front_end.pieces(sounds[row])
        ]
        found = [None] * len(pieces)
        order = sorted(range(len(pieces)), key=lambda i: pieces[i][1] - pieces[i][2])
        batch_size = max(min(batch_size, len(order)), 1)

        def decode(chosen):
            heard = []
            with progress_bar(steps=-(-len(chosen) // batch_size)) as progress:
                task = progress.add_task(description, total=len(chosen))
                for first in range(0, len(chosen), batch_size):
                    some = [pieces[i] for i in chosen[first : first + batch_size]]
                    cuts = [sounds[row][start:stop] for row, start, stop in some]
                    heard += self._decode(cuts, batch_size)
                    progress.advance(task, len(some))
            return heard

        for i, heard in zip(order, processes.divide(decode, order), strict=True):
            found[i] = heard
        results = [[] for _ in range(len(sounds))]
        for (row, start, _), heard in zip(pieces, found, strict=True):
            before = start / self.front_end.steps * self.front_end.seconds
            results[row].append((before, heard))
        return [_join(parts) for parts in results]

    def _decode(self, cuts, batch_size):
        inputs = self.front_end.inputs(cuts, batch_size)
        positions = [-(-len(cut) // self.front_end.steps) for cut in cuts]
        log_probs = [None] * len(cuts)
        if self.listener is not None:
            every = self.listener.predict_on_batch(inputs)
            log_probs = [every[i, :count] for i, count in enumerate(positions)]
        if self.generator is None:
            outputs = [self._search(each) for each in log_probs]
        else:
            outputs = list(_sequences(self.generator.predict_on_batch(inputs), positions))
        return [self._heard(*output, each) for output, each in zip(outputs, log_probs, strict=True)]

    def _search(self, log_probs):
        """Ids, no weights, the score, and the ids and scores of alternatives: by CTC alone."""
        if self.method == "ctc":
            score = log_probs[:, ctc_decoding.FIRST :].max(-1).sum()
            return ctc_decoding.greedy(log_probs[None])[0], None, score, []
        (ids, score), *others = ctc_decoding.prefix_beam(
            log_probs,
            beams=self.beams,
            language_model=self.language_model,
            weight=self.language_model_weight,
            bonus=self.language_model_bonus,
        )
        return ids, None, score, others[: self.alternatives]

    def _heard(self, tokens, weights, score, others, log_probs):
        ids = np.asarray(tokens, "int32")
        words, positions = divided_words(self.tokenizer, ids)
        spans = _spans(ids, weights, log_probs)
        times = ctc_alignment.word_times(words, positions, spans, self.front_end.seconds)
        token_words = np.full(len(ids), -1)
        for number, places in enumerate(positions):
            token_words[places] = number
        return Heard(
            text=self.tokenizer.decode(ids),
            words=tuple(times),
            tokens=ids,
            token_words=token_words,
            weights=weights,
            log_probs=log_probs,
            score=float(score),
            alternatives=tuple((self.tokenizer.decode(ids), float(each)) for ids, each in others),
        )


def _sequences(decoded, positions):
    """Ids, weights, score and alternatives of each utterance, cut to what there is of them."""
    none = [()] * len(positions)
    others = decoded.get("alternatives", none), decoded.get("alternative_scores", none)
    for row, count in enumerate(positions):
        ids = _before_end(decoded["tokens"][row])
        pairs = zip(others[0][row], others[1][row], strict=True)
        alternatives = [(_before_end(other), score) for other, score in pairs if score > -np.inf]
        yield ids, decoded["weights"][row, : len(ids), :count], decoded["score"][row], alternatives


def _before_end(tokens):
    ends = np.flatnonzero(tokens == END)
    return tokens[: ends[0] if len(ends) else len(tokens)]


def _spans(ids, weights, log_probs):
    """First and last position of each token: by CTC if these tokens fit, else by attention."""
    if log_probs is not None:
        try:
            return ctc_alignment.align(log_probs, ids)
        except ValueError:
            if weights is None:
                raise
    try:
        return ctc_alignment.align(_attended(weights), np.arange(len(ids)))
    except ValueError:
        peaks = np.maximum.accumulate(weights.argmax(-1))
        return [(int(peak), int(peak)) for peak in peaks]


def _attended(weights):
    """Weights `(T, S)` as CTC would say them, `(S, T + 1)`: each token is an output of its own.

    Where the attention of a token is below half of its peak, that between tokens is likelier.
    """
    peaks = weights.max(-1, initial=LEAST_WEIGHT, keepdims=True)
    shares = np.concatenate([weights / peaks, np.full((1, weights.shape[1]), 0.5)])
    return np.log(shares.T.clip(LEAST_WEIGHT))


def _join(parts):
    """The pieces of one utterance, each with the seconds before it, as one."""
    if len(parts) == 1:
        return parts[0][1]
    heard = [piece for _, piece in parts]
    words = tuple(
        (word, before + first, before + last)
        for before, piece in parts
        for word, first, last in piece.words
    )
    before = np.cumsum([0] + [len(piece.words) for piece in heard])
    token_words = [
        np.where(piece.token_words < 0, -1, piece.token_words + count)
        for piece, count in zip(heard, before, strict=False)
    ]
    whole = Heard(
        text=" ".join(piece.text for piece in heard if piece.text),
        words=words,
        tokens=np.concatenate([piece.tokens for piece in heard]),
        token_words=np.concatenate(token_words),
        weights=None,
        log_probs=None,
        score=sum(piece.score for piece in heard),
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
