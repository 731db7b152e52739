"""CTC decoding (Graves et al., 2006): greedy search, and prefix beam search."""

import numpy as np

from pipelines.text.tokenizer import END

# Padding, start and end name no sound: no path goes through them.
FIRST = END + 1
# Prefixes are not extended by a token whose log-probability at the frame is below it.
THRESHOLD = -10.0


def greedy(log_probs):
    """Greedy CTC: the labelling of the most probable path of each utterance.

    Args:
        log_probs: `(B, S, V + 1)`, the blank last; frames that pad an utterance say blank.

    Returns:
        A list of B lists of ids.
    """
    log_probs = np.asarray(log_probs)
    blank = log_probs.shape[-1] - 1
    paths = log_probs[..., FIRST:].argmax(-1) + FIRST
    # A token counts where it begins.
    begins = np.diff(paths, axis=1, prepend=blank) != 0
    return [
        path[begin & (path != blank)].tolist() for path, begin in zip(paths, begins, strict=True)
    ]


def prefix_beam(log_probs, beams=16, language_model=None, weight=0.0, bonus=0.0):
    """Prefix beam search: the labellings that are most probable summed over their paths.

    With a language model, `weight` times its log-probability, that of the end included, and
    `bonus` for each token count as well (shallow fusion; Hannun et al., 2014).

    Args:
        log_probs: `(S, V + 1)`, one utterance, the blank last.
        beams: Beam width, the prefixes kept after each frame.
        language_model: Has `log_probs(history) -> (V,)`, as `pipelines.decoding.ngrams.NGramModel`.
        weight: Weight of the language model.
        bonus: Insertion bonus per token, to offset the bias of the model to short sequences.

    Returns:
        A list of at most `beams` pairs (list of ids, score), the best first.

    References:
        - [Graves, 2012](https://arxiv.org/abs/1211.3711)
        - [Hannun et al., 2014](https://arxiv.org/abs/1408.2873)
    """
    log_probs = np.asarray(log_probs, "float64")
    blank = log_probs.shape[-1] - 1
    fused = language_model is not None and weight != 0
    following = {}  # What the language model says of each prefix it was asked about.

    def gains(prefix):
        if not fused:
            return np.full(blank, bonus)
        if prefix not in following:
            following[prefix] = weight * language_model.log_probs(prefix) + bonus
        return following[prefix]

    prefixes = [()]
    # Of paths that end in a blank, and in a token; `priors` is what does not come from the sound.
    in_blank, in_token, priors = np.zeros(1), np.full(1, -np.inf), np.zeros(1)
    for frame in log_probs:
        last = np.array([prefix[-1] if prefix else blank for prefix in prefixes])
        tokens = np.flatnonzero(frame[FIRST:blank] > THRESHOLD) + FIRST
        total = np.logaddexp(in_blank, in_token)
        stay_blank = total + frame[blank]
        stay_token = in_token + frame[last]
        # A token that follows itself needs a blank between.
        before = np.where(last[:, None] == tokens, in_blank[:, None], total[:, None])
        grown = before + frame[tokens]
        rows = {prefix: row for row, prefix in enumerate(prefixes)}
        columns = {token: column for column, token in enumerate(tokens.tolist())}
        for row, prefix in enumerate(prefixes):
            # What grows into a prefix that is there already.
            place = rows.get(prefix[:-1]), columns.get(prefix[-1]) if prefix else None
            if None not in place:
                stay_token[row] = np.logaddexp(stay_token[row], grown[place])
                grown[place] = -np.inf
        new_priors = priors[:, None] + np.array([gains(prefix)[tokens] for prefix in prefixes])
        ranks = np.concatenate(
            [np.logaddexp(stay_blank, stay_token) + priors, (grown + new_priors).ravel()]
        )
        kept = np.argsort(-ranks, kind="stable")[:beams]
        kept = kept[ranks[kept] > -np.inf]
        stays, extends = kept[kept < len(prefixes)], kept[kept >= len(prefixes)]
        parents, chosen = np.divmod(extends - len(prefixes), max(len(tokens), 1))
        prefixes = [prefixes[row] for row in stays] + [
            (*prefixes[row], token)
            for row, token in zip(parents.tolist(), tokens[chosen].tolist(), strict=True)
        ]
        in_blank = np.concatenate([stay_blank[stays], np.full(len(extends), -np.inf)])
        in_token = np.concatenate([stay_token[stays], grown[parents, chosen]])
        priors = np.concatenate([priors[stays], new_priors[parents, chosen]])
    scores = np.logaddexp(in_blank, in_token) + priors
    if fused:
        scores += [weight * language_model.log_probs(prefix)[END] for prefix in prefixes]
    order = np.argsort(-scores, kind="stable")
    return [(list(prefixes[row]), float(scores[row])) for row in order]
