"""Models small enough for tests, their commands, and small data sets of each task."""

import functools
import random

from tests.apps import commands
from tests.apps.commands import ROOT, flags, read_lines, refused, write_lines

__all__ = ["ROOT", "flags", "read_lines", "refused", "write_lines"]

TASKS = ("sentiment", "ner", "qa")
MODEL = {
    "dim": 16,
    "num_layers": 1,
    "num_heads": 2,
    "mlp_dim": 16,
    "dropout": 0.0,
    "vocabulary_size": 320,
    "max_length": 96,
    "max_question": 24,
    "overlap": 16,
}
SETTINGS = {
    **MODEL,
    "epochs": 2,
    "tokens_per_batch": 256,
    "warmup_steps": 2,
    "learning_rate": 0.01,
}

# Subwords here; of words the sentences below have equally many, so that one shape is compiled.
TOKENIZERS = {"sentiment": "subwords", "ner": "words", "qa": "words"}

start = functools.partial(commands.start, "understanding")
finish = functools.partial(commands.finish, "understanding")
finish_here = functools.partial(commands.finish_here, "understanding")


def settings(task):
    """The settings of the run of a task that tests share."""
    return {"task": task, "name": "tiny", "tokenizer": TOKENIZERS[task], **SETTINGS}


GOOD, BAD = ("lovely", "great", "fine"), ("awful", "dull", "poor")
THINGS = ("soup", "film", "room", "bus", "song", "view", "book")
PEOPLE = ("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus")
TOWNS = ("Rome", "Oslo", "Bonn", "Lima", "Riga", "Kyiv", "Nice")


def opinion(rng):
    """A text whose one telling word decides its label."""
    label, words = rng.choice([("good", GOOD), ("bad", BAD)])
    thing, other = rng.sample(THINGS, 2)
    return {"text": f"The {thing} by the {other} was {rng.choice(words)} .", "label": label}


def sentence(rng):
    """Tokens with a person and a town."""
    person, town = rng.choice(PEOPLE), rng.choice(TOWNS)
    tokens = [person, rng.choice(PEOPLE), "lives", "in", town, "now"]
    tags = ["B-person", "I-person", "O", "O", "B-town", "O"]
    return {"tokens": tokens, "tags": tags}


def question(rng):
    """A question about one of two people."""
    people, towns = rng.sample(PEOPLE, 2), rng.sample(TOWNS, 2)
    context = " ".join(f"{p} is in {t} ." for p, t in zip(people, towns, strict=True))
    at = rng.randrange(2)
    answer = {"text": towns[at], "start": context.index(towns[at])}
    return {"context": context, "question": f"Where is {people[at]} ?", "answers": [answer]}


MAKERS = {"sentiment": opinion, "ner": sentence, "qa": question}


def rows(task, count, seed=0):
    """Different rows of a task."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        row = MAKERS[task](rng)
        found[str(row)] = row
    return list(found.values())


def write(task, folder, train=23, validation=3, test=3):
    """A data set in the open layout."""
    made = iter(rows(task, train + validation + test))
    for split, count in {"train": train, "validation": validation, "test": test}.items():
        write_lines(folder / f"{split}.jsonl", [next(made) for _ in range(count)])
    return folder


def write_preset(folder):
    """A BERT of KerasHub with random weights, small, as a folder."""
    import keras_hub

    signs = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{s}" for s in signs)]
    tokenizer = keras_hub.tokenizers.BertTokenizer(pieces, lowercase=True)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(pieces),
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=16,
        max_sequence_length=64,
    )
    backbone.save_to_preset(str(folder))
    tokenizer.save_to_preset(str(folder))
    return folder
