"""Autoregressive decoding by greedy search, beam search or sampling: the loop over tokens."""

import keras
from keras import ops

from pipelines.decoding import beam_search
from pipelines.decoding.sampling import sample
from pipelines.decoding.search_penalties import (
    IMPOSSIBLE,
    forbid,
    forbid_early_end,
    forbid_repeated_ngrams,
    log_coverage,
)
from pipelines.text.tokenizer import END, PAD, START

METHODS = ("greedy", "beam", "sample")


class Generator(keras.Model):
    """Decodes a model token by token; `predict` compiles it on every backend.

    The model answers two calls:

    - `start(inputs, candidates, max_length) -> memory, state, key_length`: `memory` holds what
      depends on the input alone, a row for each example; `state` what changes from token to token
      (recurrent states, caches), a row for each candidate, those of an example side by side;
      `key_length` is S.
    - `step(tokens, index, memory, state) -> logits, weights, state`: `tokens` `(B * K,)` to
      `logits` `(B * K, V)` and attention weights `(B * K, S)`. The weights may have columns after
      those of the source, for whatever else is to be told of a step; `key_length` counts them.

    Logits are normalised to log-probabilities. A model whose attribute `gives_scores` is true
    returns scores in their place, which count as they are.

    With a `coverage_penalty` it may have `source_mask(inputs) -> (B, S)`, boolean: which columns
    are real positions of the source. Without it all columns are.

    Beam search compares candidates by `log p / length^length_penalty`, finished ones among them,
    and reorders the whole state with the candidates. Greedy search is a beam of one. Sampling keeps
    the `top_k` likeliest tokens, of these the fewest that hold `top_p` of the probability (Holtzman
    et al., 2020), and draws one.

    The K candidates that beam search ends with are ranked anew with `coverage_penalty *
    log_coverage` added to that score (equation 14 of Wu et al., 2016). Not before: an unfinished
    sequence has by its nature covered a part, and could not be compared with a finished one.

    Args:
        model: A Keras model with `start` and `step`.
        max_length: Most tokens, the end included.
        method: "greedy", "beam" or "sample".
        beams: Beam width K.
        length_penalty: 0 favours short sequences; 1 compares mean log-probabilities.
        temperature: Softmax temperature for sampling.
        top_k: Number of tokens that sampling chooses from; `None` for all.
        top_p: Share of the probability that sampling chooses from.
        seed: Random seed for sampling.
        min_length: Fewest tokens before the end.
        no_repeat_ngram: n-grams of this size occur at most once in a sequence; 0 for no such rule.
        coverage_penalty: Weight of the coverage penalty, against source positions left unattended.
        forbidden: Ids that are never generated.
        alternatives: A, how many candidates of the beam to return besides the best; less than K.

    Returns (from `predict`):
        A dict: `tokens` `(B, max_length)` and attention `weights` `(B, max_length, S)` of the best
        sequence, and its `score` `(B,)`. With `alternatives`, also the tokens `alternatives` `(B,
        A, max_length)` of the other finished candidates, best first, and `alternative_scores` `(B,
        A)`; where there are fewer, all tokens are padding and the score is -inf.

    On a CPU, TensorFlow decodes one example about twice as fast with `compile(jit_compile=True)`,
    which takes seconds for each shape of the input.
    """

    def __init__(
        self,
        model,
        max_length,
        method="greedy",
        beams=5,
        length_penalty=1.0,
        temperature=1.0,
        top_k=None,
        top_p=1.0,
        seed=None,
        min_length=0,
        no_repeat_ngram=0,
        coverage_penalty=0.0,
        forbidden=(),
        alternatives=0,
    ):
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}. Received: method={method!r}")
        if method == "beam" and beams < 1:
            raise ValueError(f"`beams` must be at least 1. Received: beams={beams}")
        if alternatives and not (method == "beam" and 0 <= alternatives < beams):
            raise ValueError(
                "`alternatives` needs beam search, and must be less than `beams`. "
                f"Received: alternatives={alternatives}, method={method!r}, beams={beams}"
            )
        counted = top_k is None or top_k >= 1
        if method == "sample" and not (temperature > 0 and 0 < top_p <= 1 and counted):
            raise ValueError(
                "Sampling needs temperature > 0, top_p in (0, 1] and top_k of at least 1 or None. "
                f"Received: temperature={temperature}, top_p={top_p}, top_k={top_k}"
            )
        if not 0 <= min_length < max_length:
            raise ValueError(
                "`min_length` must be at least 0 and less than `max_length`. "
                f"Received: min_length={min_length}, max_length={max_length}"
            )
        if no_repeat_ngram < 0 or coverage_penalty < 0:
            raise ValueError(
                "`no_repeat_ngram` and `coverage_penalty` must be at least 0. Received: "
                f"no_repeat_ngram={no_repeat_ngram}, coverage_penalty={coverage_penalty}"
            )
        super().__init__()
        self.model = model
        self.max_length = max_length
        self.min_length = min_length
        self.method = method
        self.beams = beams if method == "beam" else 1
        self.length_penalty = length_penalty
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.no_repeat_ngram = no_repeat_ngram
        self.coverage_penalty = coverage_penalty
        self.forbidden = tuple(forbidden)
        self.alternatives = alternatives
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        memory, state, key_length = self.model.start(inputs, self.beams, self.max_length)
        batch = ops.shape(keras.tree.flatten(inputs)[0])[0]
        rows, length = batch * self.beams, self.max_length
        own_rows = ops.arange(rows, dtype="int32")
        # All candidates are alike at first, so that only the first of each example may count.
        log_probs = ops.where(own_rows % self.beams == 0, 0.0, IMPOSSIBLE)
        # Drawn outside the loop, where JAX may not change a seed.
        noise = keras.random.uniform((rows, length), seed=self.seed_generator)

        def unfinished(index, tokens, origins, weights, log_probs, lengths, finished, *state):
            return ops.logical_and(index < length, ops.logical_not(ops.all(finished)))

        def advance(index, tokens, origins, weights, log_probs, lengths, finished, *flat_state):
            previous = ops.take(tokens, ops.maximum(index - 1, 0), axis=1)
            logits, step_weights, new_state = self.model.step(
                ops.where(index == 0, START, previous),
                index,
                memory,
                keras.tree.pack_sequence_as(state, list(flat_state)),
            )
            step_weights = ops.cast(step_weights, "float32")
            weights = ops.slice_update(weights, (index, 0, 0), step_weights[None])
            logits = ops.cast(logits, "float32")
            is_score = getattr(self.model, "gives_scores", False)
            log_z = 0.0 if is_score else ops.logsumexp(logits, axis=-1, keepdims=True)
            if self.forbidden:
                logits = forbid(logits, self.forbidden)
            if self.min_length:
                logits = forbid_early_end(logits, index, self.min_length)
            if self.no_repeat_ngram:
                logits = forbid_repeated_ngrams(logits, tokens, index, self.no_repeat_ngram)
            if self.method == "sample":
                drawn = ops.take(noise, index, axis=1)
                chosen, gain = sample(
                    logits, log_z, drawn, self.temperature, self.top_k, self.top_p
                )
                log_probs = log_probs + ops.where(finished, 0.0, gain)
                parents = own_rows
            else:
                candidates = (log_probs, lengths, finished)
                chosen, parents, log_probs = beam_search.best_continuations(
                    logits, log_z, *candidates, self.beams, self.length_penalty
                )

            def follow(x):
                return x if self.beams == 1 else ops.take(x, parents, axis=0)

            finished, lengths = follow(finished), follow(lengths)
            chosen = ops.where(finished, PAD, chosen)
            tokens = ops.slice_update(follow(tokens), (0, index), chosen[:, None])
            origins = ops.slice_update(follow(origins), (0, index), parents[:, None])
            flat_state = [
                follow(ops.cast(new, old.dtype))
                for new, old in zip(keras.tree.flatten(new_state), flat_state, strict=True)
            ]
            lengths = lengths + ops.cast(ops.logical_not(finished), "float32")
            finished = ops.logical_or(finished, chosen == END)
            return (index + 1, tokens, origins, weights, log_probs, lengths, finished, *flat_state)

        loop = (
            ops.convert_to_tensor(0, dtype="int32"),
            ops.zeros((rows, length), dtype="int32"),
            ops.zeros((rows, length), dtype="int32"),
            ops.zeros((length, rows, key_length), dtype="float32"),
            log_probs,
            ops.zeros((rows,), dtype="float32"),
            ops.zeros((rows,), dtype="bool"),
            *keras.tree.flatten(state),
        )
        results = ops.while_loop(unfinished, advance, loop)
        _, tokens, origins, weights, log_probs, lengths, finished, *_ = results

        def weights_of(candidates):
            """Weights `(R, T, S)` of the sequences that ended as these candidates `(R,)`.

            Each step left its weights in the row that computed it, rather than have the loop move
            all of them whenever candidates change places.
            """
            steps = ops.arange(length, dtype="int32")
            flat = steps * rows + ops.take(origins, candidates, axis=0)
            found = ops.take(ops.reshape(weights, (-1, key_length)), flat, axis=0)
            real = steps < ops.cast(ops.take(lengths, candidates), "int32")[:, None]
            return ops.where(real[..., None], found, 0.0)

        scores = beam_search.normalized(log_probs, lengths, self.length_penalty)
        if self.coverage_penalty:
            covered = log_coverage(weights_of(own_rows), self._source_mask(inputs))
            scores = scores + self.coverage_penalty * covered
        best = beam_search.best_candidates(scores, self.beams)
        found = {
            "tokens": ops.take(tokens, best, axis=0),
            "weights": weights_of(best),
            "score": ops.take(scores, best, axis=0),
        }
        if self.alternatives:
            # Where there are fewer sequences than candidates, some are impossible copies.
            whole = ops.logical_and(finished, log_probs > IMPOSSIBLE / 2)
            others, their_scores = beam_search.runners_up(
                scores, best, whole, self.beams, self.alternatives
            )
            there = ops.isfinite(their_scores)[..., None]
            found["alternatives"] = ops.where(there, ops.take(tokens, others, axis=0), PAD)
            found["alternative_scores"] = their_scores
        return found

    def _source_mask(self, inputs):
        """The model's `source_mask`, a row for each candidate; `None` if it has none."""
        if not hasattr(self.model, "source_mask"):
            return None
        return ops.repeat(self.model.source_mask(inputs), self.beams, axis=0)
