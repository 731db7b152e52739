"""Sentiment: opinions, and whether they are positive, negative or neutral all things considered."""

import random
from pathlib import Path

from .lines import write_splits
from .names import Names

DENIALS = 0.45
LABELS = {1: "positive", -1: "negative", 0: "neutral"}
ADJECTIVES = {
    1: (
        *("good", "great", "wonderful", "excellent", "superb", "delightful", "lovely", "fantastic"),
        *("brilliant", "charming", "pleasant", "impressive", "enjoyable", "splendid", "reliable"),
        *("amazing", "beautiful", "outstanding", "clever", "fine"),
    ),
    -1: (
        *("bad", "awful", "terrible", "dreadful", "horrible", "poor", "disappointing", "boring"),
        *("dull", "miserable", "unpleasant", "annoying", "lousy", "appalling", "useless", "clumsy"),
        *("tedious", "sloppy", "frustrating", "ugly"),
    ),
    0: ("average", "ordinary", "plain", "usual", "standard", "typical", "normal", "middling"),
}
# The past and the plain form of what something does to somebody.
VERBS = {
    1: (
        *(("delighted", "delight"), ("impressed", "impress"), ("charmed", "charm")),
        *(("pleased", "please"), ("thrilled", "thrill")),
    ),
    -1: (
        *(("disappointed", "disappoint"), ("bored", "bore"), ("annoyed", "annoy")),
        *(("disgusted", "disgust"), ("frustrated", "frustrate")),
    ),
}
PEOPLE = ("us", "me", "everyone", "our guests")
DEGREES = ("", "", "", "really ", "very ", "quite ", "truly ", "rather ")
DENIED_DEGREES = DEGREES[2:5]
# What is said of something: "{a}" an adjective with or without a degree, "{b}" another of its
# kind, "{o}" one of the opposite, "{v}" the past and "{w}" the plain form of a verb, "{n}" someone.
# As it is meant, words of denial or not:
AFFIRMING = (
    *("was {a}", "was {a}", "was {a}", "is {a}", "turned out to be {a}", "seemed {a} to {n}"),
    *("was {a} from start to finish", "was {a} and {b}", "can only be called {a}"),
    *("was nothing but {a}", "was nothing if not {a}", "was not only {a} but also {b}"),
    *("was never anything but {a}", "was nothing less than {a}", "never stopped being {a}"),
    *("was {a} , not {o}", "was not {o} but {a}", "{v} {n}", "{v} {n}", "never failed to {w} {n}"),
)
NEUTRAL = (
    *("was {a}", "is {a}", "turned out to be {a}", "seemed {a} to {n}", "can only be called {a}"),
    *("was neither {good} nor {bad}", "was neither {bad} nor {good}", "was not {o} , just {a}"),
    *("was as {good} as it was {bad}", "was nothing but {a}"),
)
# As its opposite is meant:
DENYING = (
    *("was not {a}", "was not {a} at all", "was hardly {a}", "was never {a}", "is not {a}"),
    *("was anything but {a}", "was far from {a}", "was by no means {a}", "did not seem {a} to {n}"),
    *("could not be called {a}", "was neither {a} nor {b}", "did not {w} {n}", "failed to {w} {n}"),
)
# "{s}" is what is spoken of, "{p}" what is said of it, and "{t}" and "{q}" are something else and
# what is said of that, the opposite.
SIMPLE = ("{s} {p}", "{s} {p} , if you ask me", "we found that {s} {p}", "on the whole , {s} {p}")
CONTRASTS = (
    *("{t} {q} but {s} {p}", "{t} {q} , but {s} {p}", "{t} {q} , yet {s} {p}"),
    *("although {t} {q} , {s} {p}", "even though {t} {q} , {s} {p}", "{s} {p} although {t} {q}"),
    *("{s} {p} , even though {t} {q}", "{t} {q} . All the same , {s} {p}"),
    *("what counts is that {s} {p} , not that {t} {q}", "never mind that {t} {q} : {s} {p}"),
    "it matters little that {t} {q} , because {s} {p}",
    "{name} says that {t} {q} , but in truth {s} {p}",
)
# Somebody thought what is said with "{x}", an adjective; it was so, or it was not.
CONFIRMED = (
    *("I expected {s} to be {x} , and so it was", "I expected {s} to be {x} . I was right"),
    *("{name} called {s} {x} , and I agree", "{name} swore that {s} was {x} , and it was true"),
    "nobody who calls {s} {x} is mistaken",
)
REFUTED = (
    *("I expected {s} to be {x} , but it was not", "I expected {s} to be {x} . I was wrong"),
    *("{name} called {s} {x} , but I disagree", "{name} swore that {s} was {x} , which is a lie"),
    *("it is not true that {s} was {x}", "whoever calls {s} {x} is mistaken"),
)
THINGS = {
    "train": (
        *("food", "service", "staff", "room", "view", "film", "plot", "music", "book", "ending"),
        *("camera", "battery", "screen", "hotel", "breakfast", "concert", "lecture", "garden"),
        *("teacher", "bus", "wine", "soup", "sound", "cover", "story", "singer", "waiter", "bed"),
        *("price", "museum", "guide", "tour", "shop", "bread", "coffee", "keyboard", "phone"),
        *("actor", "chapter", "dinner", "cake", "chair", "light", "flight", "driver", "website"),
    ),
    "validation": ("pool", "lobby", "lens", "dessert", "novel", "ferry", "coach", "stage"),
    "test": (
        *("sauna", "terrace", "jacket", "printer", "ballet", "choir", "salad", "pilot", "lamp"),
        *("exhibition", "barber", "tablet", "poem", "balcony", "train", "script", "tea", "market"),
    ),
}
MODELS = ("the {thing}", "the {thing}", "the {thing} at {name}", "{name} 's {thing}")


def write_sentiment(
    folder: Path, train: int = 6_000, validation: int = 600, test: int = 1_000, seed: int = 0
) -> None:
    """Writes opinions, none of them twice.

    Denials turn them, or do not ("was nothing if not good"), and where two opinions meet, grammar
    tells which one counts, so that the words of a line are not enough to know its label. Two in
    five are positive, two negative and one neutral. The things and names of a split are its own.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl` and `test.jsonl`, with `text` and `label`.
        train: number of training lines.
        validation: number of validation lines.
        test: number of test lines.
        seed: another seed gives other lines.
    """

    def opinions(split, rng):
        names = Names(split, rng)
        while True:
            yield _opinion(rng, names, THINGS[split])

    sizes = {"train": train, "validation": validation, "test": test}
    write_splits(folder, opinions, sizes, key=("text",), seed=seed)


def _opinion(rng: random.Random, names: Names, things: tuple) -> dict:
    """Returns a text and its label."""
    value = rng.choice((1, 1, -1, -1, 0))
    some = rng.sample(things, 2)
    s, t = (
        rng.choice(MODELS).format(thing=thing, name=name)
        for thing, name in zip(some, names.draw_some(2), strict=True)
    )
    fields = {"s": s, "t": t, "name": names.draw()}
    kind = rng.random()
    if kind < 0.3:
        text = rng.choice(SIMPLE).format(p=_said(rng, value), **fields)
    elif kind < 0.8 or value == 0:
        other = rng.choice([v for v in (1, -1, 0) if v != value])
        p, q = _said(rng, value), _said(rng, other)
        text = rng.choice(CONTRASTS).format(p=p, q=q, **fields)
    else:
        is_refuted = rng.random() < 0.6
        x = rng.choice(ADJECTIVES[-value if is_refuted else value])
        text = rng.choice(REFUTED if is_refuted else CONFIRMED).format(x=x, **fields)
    text = text[0].upper() + text[1:] + rng.choice("..!")
    for sign in (" ,", " .", " :", " 's"):
        text = text.replace(sign, sign.strip())
    return {"text": text, "label": LABELS[value]}


def _said(rng: random.Random, value: int) -> str:
    """Returns what is said of something that is positive (1), negative (-1) or neutral (0)."""
    patterns, degrees = (AFFIRMING, DEGREES) if value else (NEUTRAL, ("",))
    if value and rng.random() < DENIALS:
        patterns, degrees, value = DENYING, DENIED_DEGREES, -value
    a, b = rng.sample(ADJECTIVES[value], 2)
    past, plain = rng.choice(VERBS[value or 1])
    return rng.choice(patterns).format(
        a=rng.choice(degrees) + a,
        b=b,
        o=rng.choice(ADJECTIVES[-value or rng.choice((1, -1))]),
        v=past,
        w=plain,
        n=rng.choice(PEOPLE),
        good=rng.choice(ADJECTIVES[1]),
        bad=rng.choice(ADJECTIVES[-1]),
    )
