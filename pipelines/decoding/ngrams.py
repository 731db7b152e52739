"""n-gram language model with Kneser-Ney smoothing, over token ids, for CTC decoding."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from pipelines.commands.disk.bounded import read_json
from pipelines.commands.disk.files import write_json
from pipelines.commands.errors import reading
from pipelines.text.tokenizer import END, PAD, START

FILE = "ngrams.json"
# What a file may hold.
LARGEST_ORDER, LARGEST_VOCABULARY, LARGEST_FILE = 20, 10**7, 1 << 31
# Where counts are too few to estimate the discounts; those that KenLM falls back to.
DISCOUNTS = (0.5, 1.0, 1.5)


class NGramModel:
    """An n-gram model with interpolated modified Kneser-Ney smoothing (Chen and Goodman, 1999).

    It answers for ids 0 to V - 1, except that padding and start follow nothing. An id that was
    never seen shares what the discounts of single tokens leave.

    Args:
        counts: n-grams, tuples of `order` ids, to how often they occur; sequences begin with
            `order - 1` starts and end with one end.
        order: Order n of the model, at least 1.
        vocabulary_size: V.

    Raises:
        ValueError: if there is an id outside of the vocabulary, or `order` is less than 1.

    References:
        - [Chen and Goodman, 1999](https://doi.org/10.1006/csla.1999.0128)
        - [Heafield et al., 2013](https://aclanthology.org/P13-2121): n-grams with the start
    """

    def __init__(self, counts, order, vocabulary_size):
        if order < 1:
            raise ValueError(f"`order` must be at least 1. Received: order={order}")
        for gram in counts:
            if not 0 <= min(gram) <= max(gram) < vocabulary_size:
                raise ValueError(
                    "Ids must be less than `vocabulary_size`. Received: "
                    f"vocabulary_size={vocabulary_size} and the n-gram {gram}"
                )
        self.order = order
        self.vocabulary_size = vocabulary_size
        self._counts = dict(counts)
        self._levels = []  # By the length of their contexts.
        for _ in range(order):
            self._levels.insert(0, _contexts(counts))
            counts = _counts_of_shorter(counts)
        uniform = np.full(vocabulary_size, 1 / (vocabulary_size - 2))
        uniform[[PAD, START]] = 0
        self._uniform = uniform

    @classmethod
    def train(cls, sequences, vocabulary_size, order=3):
        """Counts the n-grams of `sequences`, lists of ids; start and end may be left out."""
        counts = Counter()
        for sequence in sequences:
            ids = _framed(sequence, order)
            counts.update(tuple(ids[i : i + order]) for i in range(len(ids) - order + 1))
        return cls(counts, order, vocabulary_size)

    def log_probs(self, history):
        """Log-probabilities of what follows, for every id.

        Args:
            history: ids so far, with or without the start.

        Returns:
            `(V,)`, float64; negative infinity for padding and start.
        """
        history = [START] * (self.order - 1) + [int(token) for token in history]
        probs = self._uniform
        for length, contexts in enumerate(self._levels):
            found = contexts.get(tuple(history[len(history) - length :]))
            if found is None:
                break
            ids, shares, rest = found
            probs = rest * probs
            probs[ids] += shares
        with np.errstate(divide="ignore"):
            return np.log(probs)

    def log_prob(self, history, token):
        """Log-probability that `token`, possibly the end, follows `history`."""
        return float(self.log_probs(history)[token])

    def perplexity(self, sequences):
        """The exponential of the mean negative log-probability of a token, ends included."""
        gains = []
        for sequence in sequences:
            ids = _framed(sequence, self.order)
            for i in range(self.order - 1, len(ids)):
                gains.append(self.log_prob(ids[:i], ids[i]))
        return float(np.exp(-np.mean(gains)))

    def save(self, folder):
        """Writes `ngrams.json`: the counts of the longest n-grams, from which all else follows."""
        value = {
            "order": self.order,
            "vocabulary_size": self.vocabulary_size,
            "ngrams": {" ".join(map(str, gram)): n for gram, n in self._counts.items()},
        }
        write_json(Path(folder) / FILE, value)

    @classmethod
    def load(cls, folder):
        """Reads what `save` wrote.

        Raises:
            UserError: if there is no such file, or it holds something else.
        """
        path = Path(folder) / FILE
        value = read_json(path, "a language model", LARGEST_FILE)
        with reading(path, "a language model"):
            order, size = value["order"], value["vocabulary_size"]
            if type(order) is not int or type(size) is not int:
                raise ValueError("its order and vocabulary_size are whole numbers")
            if not 1 <= order <= LARGEST_ORDER or not 2 < size <= LARGEST_VOCABULARY:
                raise ValueError(f"its order is {order}, its vocabulary_size {size}")
            counts = {tuple(map(int, k.split())): n for k, n in value["ngrams"].items()}
            if any(len(gram) != order for gram in counts):
                raise ValueError("not all n-grams are of that order")
            if not counts or not all(type(n) is int and n > 0 for n in counts.values()):
                raise ValueError("its counts are whole numbers from 1 on")
            return cls(counts, order, size)


def _framed(sequence, order):
    """The content of a sequence, with `order - 1` starts before it and its end."""
    content = [int(token) for token in sequence if token not in (PAD, START, END)]
    return [START] * (order - 1) + content + [END]


def _counts_of_shorter(counts):
    """Of each n-gram without its first token, how many tokens stand before it.

    Before the start stands nothing but another, so that what begins with it keeps its count.
    """
    shorter = Counter()
    for gram, count in counts.items():
        shorter[gram[1:]] += count if gram[1:2] == (START,) else 1
    return shorter


def _contexts(counts):
    """What follows each context: ids, their discounted shares, and the share that is left."""
    followers = defaultdict(list)
    for (*context, token), count in counts.items():
        followers[tuple(context)].append((token, count))
    discounts = np.array([0.0, *_discounts(counts.values())])
    contexts = {}
    for context, pairs in followers.items():
        ids, numbers = np.array(pairs).T
        taken = discounts[np.minimum(numbers, 3)]
        contexts[context] = (ids, (numbers - taken) / numbers.sum(), taken.sum() / numbers.sum())
    return contexts


def _discounts(numbers):
    """What is taken from counts of one, two, and three or more, by the paper's estimate."""
    times = Counter(numbers)
    if not all(times[i] for i in (1, 2, 3, 4)):
        return DISCOUNTS
    share = times[1] / (times[1] + 2 * times[2])
    found = [i - (i + 1) * share * times[i + 1] / times[i] for i in (1, 2, 3)]
    return found if min(found) > 0 else DISCOUNTS
