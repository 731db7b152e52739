"""Question answering: paragraphs about people, and questions whose answers stand in them."""

import random
from pathlib import Path

from .lines import write_splits
from .names import Names

PEOPLE = 3
FACTS = 3
QUESTIONS = 3
PRONOUN = 0.5
NAMESAKE = 0.25
# For each kind of fact: what is asked for, how the fact is told, how one asks for its value, and
# how for its person. "{p}" is the person, "{v}" the value; nothing asks for the rest.
KINDS = {
    "home": (
        "town",
        ("{p} lives in {v}", "{p} has a house in {v}", "the home of {p} is in {v}"),
        ("Where does {p} live?", "In which town is the home of {p}?"),
        ("Who lives in {v}?", "Who has a house in {v}?"),
    ),
    "birth": (
        "year",
        ("{p} was born in {v}", "{p} came into the world in {v}"),
        ("When was {p} born?", "In which year was {p} born?"),
        ("Who was born in {v}?", "Who came into the world in {v}?"),
    ),
    "job": (
        "job",
        ("{p} works as a {v}", "{p} earns a living as a {v}", "{p} is a {v} by trade"),
        ("What does {p} do for a living?", "What is the job of {p}?"),
        ("Who works as a {v}?", "Who is a {v} by trade?"),
    ),
    "purchase": (
        "product",
        ("{p} bought a {v} for {amount} dollars", "{p} paid {amount} dollars for a {v}"),
        ("What did {p} buy?", "What did {p} pay for?"),
        ("Who bought the {v}?", "Who paid for the {v}?"),
    ),
    "wage": (
        "amount",
        ("{p} earns {v} dollars a week", "{p} makes {v} dollars a week"),
        ("How many dollars does {p} earn?", "How much does {p} make in a week?"),
        ("Who earns {v} dollars a week?", "Who makes {v} dollars?"),
    ),
    "move": (
        "town",
        ("{p} moved from {town} to {v}", "{p} left {town} for {v}"),
        ("Where did {p} move to?", "For which town did {p} leave?"),
        ("Who moved to {v}?", "Who left for {v}?"),
    ),
    "friend": (
        "person",
        ("{p} is a friend of {v}", "{p} went to school with {v}"),
        ("Whose friend is {p}?", "With whom did {p} go to school?"),
        ("Who is a friend of {v}?", "Who went to school with {v}?"),
    ),
}
JOBS = {
    "train": (
        *("baker", "nurse", "pilot", "tailor", "farmer", "dentist", "lawyer", "painter", "butcher"),
        *("singer", "teacher", "gardener", "plumber", "barber", "cook", "judge", "sailor", "clerk"),
    ),
    "validation": ("miner", "porter", "surgeon", "weaver"),
    "test": ("banker", "builder", "driver", "carpenter", "hunter", "printer", "waiter"),
}


def write_qa(
    folder: Path, train: int = 6_000, validation: int = 600, test: int = 1_000, seed: int = 0
) -> None:
    """Writes questions, three to a paragraph, none of them twice.

    A paragraph tells the same three kinds of facts about three people, so that for every answer
    there are others of its type: only the question tells which it is. The name that it asks about
    may share a word with another, and the sentence with the answer may say "he" or "she" instead.
    The names and professions of a split are its own.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl` and `test.jsonl`, with `id`, `context`,
            `question` and `answers`: one `{"text", "start"}`.
        train: number of training questions.
        validation: number of validation questions.
        test: number of test questions.
        seed: another seed gives other lines.
    """

    def questions(split, rng):
        names, number = Names(split, rng), 0
        while True:
            for row in _paragraph(rng, names, JOBS[split]):
                number += 1
                yield {"id": f"{split}-{number}", **row}

    sizes = {"train": train, "validation": validation, "test": test}
    write_splits(folder, questions, sizes, key=("context", "question"), seed=seed)


def _paragraph(rng: random.Random, names: Names, jobs: tuple) -> list[dict]:
    """Returns the questions about a paragraph."""
    made = iter(names.draw_some(10 * PEOPLE))
    people = [f"{next(made)} {next(made)}" for _ in range(PEOPLE)]
    if rng.random() < NAMESAKE:
        first, last = people[0].split()
        people[1] = rng.choice((f"{first} {next(made)}", f"{next(made)} {last}"))
    values = {
        "town": made,
        "product": made,
        "person": (f"{first} {last}" for first, last in zip(made, made, strict=False)),
        "job": iter(rng.sample(jobs, PEOPLE)),
        "year": map(str, rng.sample(range(1900, 2000), PEOPLE)),
        "amount": map(str, rng.sample(range(100, 990, 5), 2 * PEOPLE)),
    }
    kinds = rng.sample(tuple(KINDS), FACTS)
    context, questions = "", []
    for person in people:
        pronoun, named = rng.choice(("he", "she")), None
        for kind in rng.sample(kinds, FACTS):
            asked, telling, asking, asking_back = KINDS[kind]
            value = next(values[asked])
            told = rng.choice(telling)
            for other in ("town", "amount"):
                if f"{{{other}}}" in told:
                    told = told.replace(f"{{{other}}}", next(values[other]))
            is_named = named is None or not told.startswith("{p}") or rng.random() >= PRONOUN
            if is_named:
                named = len(context) + told.index("{p}")
            told = told.replace("{p}", person if is_named else pronoun)
            start = len(context) + told.index("{v}")
            told = told.replace("{v}", value)
            context += f"{told[0].upper()}{told[1:]}. "
            answer, question = rng.choice(
                (((value, start), rng.choice(asking)), ((person, named), rng.choice(asking_back)))
            )
            questions.append((question.format(p=person, v=value), answer))
    return [
        {"context": context.strip(), "question": question, "answers": [answer]}
        for question, (text, start) in rng.sample(questions, QUESTIONS)
        for answer in ({"text": text, "start": start},)
    ]
