"""CTC forced alignment: the frames and times of the tokens and words of a transcript."""

import numpy as np

# Log-probability below which a path leads through frames that pad the utterance.
IMPOSSIBLE = -1e8


def align(log_probs, ids):
    """Aligns tokens with frames by the most probable path that spells them (Viterbi search).

    Args:
        log_probs: `(S, V + 1)`, one utterance, the blank last.
        ids: L tokens, without start and end.

    Returns:
        A list of L pairs: the first and the last frame of each token. Frames between them that
        belong to no token are blanks.

    Raises:
        ValueError: if there are too few frames, one for each token and one more between two that
            are alike.

    Reference:
        [Graves et al., 2006](https://doi.org/10.1145/1143844.1143891): the lattice
    """
    log_probs, ids = np.asarray(log_probs, "float64"), np.asarray(ids, "int64")
    if not len(ids):
        return []
    # Blanks around the tokens, which may be passed over where the tokens beside them differ.
    states = np.full(2 * len(ids) + 1, log_probs.shape[-1] - 1)
    states[1::2] = ids
    passes = np.zeros(len(states), bool)
    passes[3::2] = ids[1:] != ids[:-1]
    gains = log_probs[:, states]
    scores = np.full(len(states), -np.inf)
    steps = np.zeros(gains.shape, "int64")
    for frame, gain in enumerate(gains):
        if frame == 0:  # A path begins with a blank or the first token.
            scores[:2] = gain[:2]
            continue
        options = np.full((3, len(states)), -np.inf)
        options[0] = scores
        options[1, 1:] = scores[:-1]
        options[2, 2:] = np.where(passes[2:], scores[:-2], -np.inf)
        steps[frame] = options.argmax(0)
        scores = options.max(0) + gain
    state = len(states) - 2 + int(scores[-1] > scores[-2])
    if not scores[state] > IMPOSSIBLE:
        raise ValueError(f"{len(ids)} tokens do not fit into {len(log_probs)} frames.")
    path = np.empty(len(log_probs), "int64")
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = state
        state -= steps[frame, state]
    places = 2 * np.arange(len(ids)) + 1
    first, last = np.searchsorted(path, places), np.searchsorted(path, places, "right") - 1
    return list(zip(first.tolist(), last.tolist(), strict=True))


def word_times(words, positions, spans, seconds_per_frame):
    """Returns the start and the end of each word.

    Args:
        words: Texts, and where their tokens stand among all,
        positions: a list for each word, both as `Tokenizer.words` returns them.
        spans: First and last frame of each token, as `align` returns them.
        seconds_per_frame: Duration of a frame of the log-probabilities.

    Returns:
        A list of (word, start, end), in seconds.
    """
    times = []
    for word, tokens in zip(words, positions, strict=True):
        (first, _), (_, last) = spans[tokens[0]], spans[tokens[-1]]
        times.append((word, first * seconds_per_frame, (last + 1) * seconds_per_frame))
    return times
