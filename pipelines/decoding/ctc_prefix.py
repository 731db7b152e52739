"""Joint CTC/attention decoding: both score each token of a beam search."""

import keras
from keras import ops

from pipelines.decoding.search_penalties import IMPOSSIBLE
from pipelines.text.tokenizer import END, PAD, START


class JointModel(keras.Model):
    """A model with an attention decoder and a CTC head, for `generator.Generator`.

    A token adds `(1 - weight) * log p_attention + weight * log p_ctc` to the score of a sequence.
    CTC's probability of a token is that of the paths whose labelling begins with the sequence and
    the token, over that of those which begin with the sequence; of the end, that of the paths which
    spell the sequence and no more (Watanabe et al., 2017, section IV).

    A Generator's `length_penalty` is best 0 here: CTC keeps the attention decoder from stopping
    early and from repeating itself.

    Args:
        model: Has `start` and `step`, as the Generator asks for, and `ctc_log_probs(memory)
            -> (B, S, V + 1)`: log-probabilities from the memory that its `start` returns. The last
            is that of the blank, and frames that pad an utterance are certain of it. Outputs of
            padding, start and end should be improbable there.
        weight: Weight of CTC, between 0 and 1.

    References:
        - [Watanabe et al., 2017](https://doi.org/10.1109/JSTSP.2017.2763455)
        - [Hillis and Steele, 1986](https://doi.org/10.1145/7902.7903): scans in log S rounds
    """

    # The Generator adds what `step` returns as it is.
    gives_scores = True

    def __init__(self, model, weight):
        if not 0 <= weight <= 1:
            raise ValueError(f"`weight` must be between 0 and 1. Received: weight={weight}")
        super().__init__()
        self.model = model
        self.weight = weight
        self.built = True

    @property
    def source_mask(self):
        """The model's, if it has one."""
        return self.model.source_mask

    def start(self, inputs, candidates, max_length):
        memory, state, key_length = self.model.start(inputs, candidates, max_length)
        log_probs = ops.cast(self.model.ctc_log_probs(memory), "float32")
        log_probs = ops.maximum(log_probs, IMPOSSIBLE)
        blanks = ops.repeat(log_probs[..., -1], candidates, axis=0)
        memory = {
            "model": memory,
            "blanks": blanks,
            "by_output": ops.transpose(log_probs, (0, 2, 1)),
            "probs": ops.exp(log_probs[..., :-1]),
        }
        state = {
            "model": state,
            "last": ops.full((ops.shape(blanks)[0],), START, dtype="int32"),
            # Of the paths to each frame that spell the sequence: those that end in its last token,
            # and those that end in a blank.
            "in_token": ops.full_like(blanks, IMPOSSIBLE),
            "in_blank": ops.cumsum(blanks, axis=1),
        }
        return memory, state, key_length

    def step(self, tokens, index, memory, state):
        logits, weights, own_state = self.model.step(tokens, index, memory["model"], state["model"])
        logits = ops.cast(logits, "float32")
        tokens = ops.cast(tokens, "int32")
        prefix, extended, in_token, in_blank = _ctc_step(tokens, index, memory, state)
        scores = self.weight * (extended - prefix[:, None])
        scores = scores + (1 - self.weight) * ops.log_softmax(logits, axis=-1)
        ids = ops.arange(ops.shape(scores)[1])
        scores = ops.where(ops.logical_or(ids == PAD, ids == START), IMPOSSIBLE, scores)
        state = {"model": own_state, "last": tokens, "in_token": in_token, "in_blank": in_blank}
        return scores, weights, state


def _ctc_step(tokens, index, memory, state):
    """Extends each sequence by its last token, and looks at what may follow.

    Args:
        tokens: `(R,)`, those the sequences end with now.
        index: How many they have, an integer scalar; with none, `tokens` do not count.
        memory: of `JointModel.start`.
        state: of the sequences without `tokens`.

    Returns:
        Log-probabilities that a labelling begins with the sequence, `(R,)`, that it begins with the
        sequence and each token, `(R, V)`, where the end stands for the sequence and no more, and of
        the paths to each frame that end in the last token and in a blank, `(R, S)` each.
    """
    by_output, probs, blanks = memory["by_output"], memory["probs"], memory["blanks"]
    batch, outputs, length = ops.shape(by_output)
    rows = ops.shape(tokens)[0]
    candidates = rows // batch
    places = ops.arange(rows, dtype="int32") // candidates * outputs + tokens
    sounds = ops.take(ops.reshape(by_output, (-1, length)), places, axis=0)

    # A token that follows itself needs a blank between.
    before = ops.where(
        ops.equal(tokens, state["last"])[:, None],
        state["in_blank"],
        ops.logaddexp(state["in_token"], state["in_blank"]),
    )
    begins = _delay(before, index == 1) + sounds
    in_token = _recurrence(sounds, begins)
    in_blank = _recurrence(blanks, _delay(in_token, False) + blanks)
    prefix = ops.maximum(ops.logsumexp(begins, axis=1), IMPOSSIBLE)
    empty = index == 0
    prefix = ops.where(empty, 0.0, prefix)
    in_token = ops.where(empty, state["in_token"], in_token)
    in_blank = ops.where(empty, state["in_blank"], in_blank)

    # A token that differs begins at any frame after the sequence: a product of matrices.
    total = ops.logaddexp(in_token, in_blank)
    ready = _delay(total, empty)
    peak = ops.max(ready, axis=1, keepdims=True)
    shares = ops.reshape(ops.exp(ready - peak), (batch, candidates, length))
    sums = ops.reshape(ops.matmul(shares, probs), (rows, outputs - 1))
    extended = ops.where(sums > 0, peak + ops.log(ops.maximum(sums, 1e-37)), IMPOSSIBLE)
    again = ops.logsumexp(_delay(in_blank, empty) + sounds, axis=1, keepdims=True)
    ids = ops.arange(outputs - 1, dtype="int32")
    extended = ops.where(ops.equal(ids, tokens[:, None]), again, extended)
    extended = ops.where(ids == END, total[:, -1:], extended)
    return prefix, ops.maximum(extended, IMPOSSIBLE), in_token, in_blank


def _delay(frames, possible):
    """What stood at the frame before, `(R, S)`; before the first it is certain or impossible."""
    first = ops.where(possible, 0.0, IMPOSSIBLE)
    first = ops.broadcast_to(first, (ops.shape(frames)[0], 1))
    return ops.concatenate([first, frames[:, :-1]], axis=1)


def _recurrence(factors, terms):
    """Solves `x_t = factors_t * x_{t-1} + terms_t` from `x_0 = 0`, all as logarithms `(R, S)`.

    Each round joins stretches of frames with those before them, twice as long each time, so that
    there are log S rounds in place of S.
    """
    length = ops.shape(terms)[1]
    frames = ops.arange(length, dtype="int32")

    def unfinished(reach, factors, terms):
        return reach < length

    def double(reach, factors, terms):
        places, inside = ops.maximum(frames - reach, 0), frames >= reach
        earlier = ops.where(inside, ops.take(terms, places, axis=1), IMPOSSIBLE)
        terms = ops.logaddexp(terms, factors + earlier)
        factors = factors + ops.where(inside, ops.take(factors, places, axis=1), 0.0)
        return 2 * reach, factors, terms

    reach = ops.convert_to_tensor(1, dtype="int32")
    return ops.while_loop(unfinished, double, (reach, factors, terms))[2]
