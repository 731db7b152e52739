"""A summarizer small enough for tests, its documents, and its commands."""

import functools
import random

from tests.apps import commands
from tests.apps.commands import ROOT, flags, read_lines, refused, write_lines

__all__ = ["ROOT", "flags", "read_lines", "refused", "write_lines"]

MODEL = {
    "model": "rnn",
    "decode": "greedy",
    "dim": 16,
    "num_heads": 2,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "mlp_dim": 32,
    "vocabulary_size": 300,
    "max_source": 40,
    "max_target": 12,
}
SETTINGS = {
    **MODEL,
    "epochs": 2,
    "warmup_steps": 2,
    "learning_rate": 0.01,
    "tokens_per_batch": 256,
}

start = functools.partial(commands.start, "summarization")
finish = functools.partial(commands.finish, "summarization")
finish_here = functools.partial(commands.finish_here, "summarization")

SIGHTS = ("castle", "harbour", "museum", "forest", "market")
THINGS = ("apples", "boats", "clocks", "drums")


def make_name(rng):
    """A name that hardly any vocabulary has."""
    return "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3)).title()


def make_documents(count, seed=0):
    """Two people somewhere, of whom one buys something: whose name is to be copied."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        buyer, other = make_name(rng), make_name(rng)
        there = [buyer, other][:: rng.choice([1, -1])]
        sight, thing = rng.choice(SIGHTS), rng.choice(THINGS)
        document = f"{there[0]} saw the {sight} with {there[1]}. There {buyer} bought {thing}."
        rows.append({"document": document, "summary": f"{buyer} bought {thing}."})
    return rows


def write_documents(folder, **counts):
    """A folder in the open layout with so many documents in each split, no document twice."""
    for seed, (split, count) in enumerate(counts.items()):
        write_lines(folder / f"{split}.jsonl", make_documents(count, seed))
    return folder
