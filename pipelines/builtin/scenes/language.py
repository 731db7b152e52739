"""Writes captions: five different sentences about a scene, true in every claim and unambiguous."""

import collections
import itertools
import random

from .relations import PLACES, RELATIONS, between, placed, related
from .words import (
    NUMBERS,
    PLACE_PHRASES,
    RELATION_PHRASES,
    SIZE_WORDS,
    TEXTURE_WORDS,
    noun,
)
from .world import Scene, Thing

SHORTEST, LONGEST = 8, 18  # words of a caption

# Per kind of caption, how often it is tried and its wordings. `a`, `b`, `c` are objects or counted
# groups (a capital letter: the same with "the"), `n` is the number of all objects, and the rest is
# what `_facts` binds: the relations `r` of a to b, `s` of a to c and `t`, its reverse; the places
# `p` of a and `q` of b.
TEMPLATES = {
    "relation": (
        6,
        "{b} with {a} {r} {it_b}",
        "{there_b} {b} with {a} {r} {it_b}",
        "a picture of {b} with {a} {r} {it_b}",
        "an image of {b} with {a} {r} {it_b}",
        "a picture with {b} and {a} {r} {it_b}",
        "the image shows {b} and {a} {r} {it_b}",
        "this picture shows {b} and {a} {r} {it_b}",
        "we can see {b} and {a} {r} {it_b}",
        "we can see {b} with {a} {r} {it_b}",
        "a picture of {n} objects including {b} and {a} {r} {it_b}",
        "{n} objects including {b} with {a} {r} {it_b}",
        "{A} {is_a} {r} {B}",
        "{there_a} {a} {r} {b}",
        "a picture of {a} {r} {b}",
        "{r} {B} {there_a} {a}",
    ),
    "two relations": (
        1,
        "{A} {is_a} {r} {B} and {s} {C}",
        "{A} {is_a} {r} {B} while {C} {is_c} {t} {it_a}",
    ),
    "shared relation": (1, "both {A} and {B} are {r} {C}"),
    "place": (
        4,
        "{a} {p} and {b} {q}",
        "{A} {is_a} {p} while {B} {is_b} {q}",
        "{there_a} {a} {p} and {b} {q}",
        "the image shows {a} {p} and {b} {q}",
        "{p} {there_a} {a} and {B} {is_b} {q}",
        "{n} objects with {a} {p} and {b} {q}",
    ),
    "place and relation": (
        14,
        "{p} {there_a} {a} with {b} {t} {it_a}",
        "{there_a} {a} {p} and {b} {t} {it_a}",
        "{there_a} {a} {p} with {b} {t} {it_a}",
        "a picture of {a} {p} and {b} {t} {it_a}",
        "an image of {a} {p} with {b} {t} {it_a}",
        "we see {a} {p} and {b} {t} {it_a}",
        "this picture shows {a} {p} with {b} {t} {it_a}",
        "{A} {is_a} {p} and {r} {B}",
        "{A} {is_a} {p} and {B} {is_b} {t} {it_a}",
        "{n} objects including {a} {p} with {b} {t} {it_a}",
    ),
    "between": (
        2,
        "{A} {is_a} between {B} and {C}",
        "{there_a} {a} between {b} and {c}",
        "an image of {a} between {b} and {c}",
    ),
    "count": (
        2,
        "{there_a} {a} and {b} in the picture",
        "a picture of {a} and {b}",
        "{a} and {b} in a picture of {n} objects",
        "{n} shapes including {a} and {b}",
        "the image shows {a} together with {b}",
        "there are {n} objects including {a} and {b}",
    ),
    "list": (
        1,
        "{a} and {b} together with {c}",
        "we can see {a} and {b} together with {c}",
    ),
}
# The attributes that a mention may name, and how often it does where several sets of them fit.
MENTIONS = {
    ("color", "shape"): 24,
    ("size", "color", "shape"): 3,
    ("texture", "color", "shape"): 2,
    ("size", "texture", "color", "shape"): 1,
    ("shape",): 1,
}
GROUP_MENTIONS = MENTIONS | {("shape",): 4}
OPPOSITES = {"left": "right", "right": "left", "above": "below", "below": "above"}


def captions(scene: Scene, count: int = 5) -> list[str]:
    """Writes different captions of a scene; the same scene gives the same captions.

    Args:
        scene: the objects to tell of.
        count: how many captions.

    Returns:
        Lower-case sentences of 8 to 18 words without punctuation. Every claim in them holds with a
        margin, and every mention fits no object but those that are meant.
    """
    rng = random.Random(scene.seed)
    mentions = _mentions(scene.things)
    facts = _facts(scene.things, sorted(mentions))
    kinds = [kind for kind in TEMPLATES if facts[kind]]
    weights = [TEMPLATES[kind][0] for kind in kinds]
    told, used = [], set()
    for attempt in itertools.count():
        kind = rng.choices(kinds, weights)[0]
        template = rng.choice(TEMPLATES[kind][1:])
        if template in used and attempt < 50:
            continue
        caption = _fill(template, rng.choice(facts[kind]), kind, scene.things, mentions, rng)
        if SHORTEST <= len(caption.split()) <= LONGEST and caption not in told:
            told.append(caption)
            used.add(template)
        if len(told) == count:
            return told


def _mentions(things: tuple[Thing, ...]) -> dict[tuple[int, ...], list]:
    """For each object or group that can be told from all others: the attribute sets that do so."""
    found = collections.defaultdict(list)
    for names in MENTIONS:
        alike = collections.defaultdict(list)
        for index, thing in enumerate(things):
            alike[tuple(getattr(thing, name) for name in names)].append(index)
        for members in map(tuple, alike.values()):
            weights = GROUP_MENTIONS if len(members) > 1 else MENTIONS
            found[members].append((names, weights[names]))
    return dict(found)


def _facts(things: tuple[Thing, ...], members: list[tuple[int, ...]]) -> dict[str, list[dict]]:
    """All that can be said, per kind of caption, as bindings of the letters in `TEMPLATES`."""
    facts = {kind: [] for kind in TEMPLATES}
    boxes = [thing.box for thing in things]
    pairs = {
        (one, other): name
        for one, other in itertools.permutations(range(len(things)), 2)
        for name in RELATIONS
        if related(name, boxes[one], boxes[other], clearly=True)
    }
    places = [
        {"a": a, "p": name}
        for a in members
        for name in PLACES
        if all(placed(name, boxes[one], clearly=True) for one in a)
    ]
    relations = []
    for a, b in _disjoint(members, 2):
        names = {pairs.get(pair) for pair in itertools.product(a, b)}
        if len(names) == 1 and (name := names.pop()):
            relations.append({"a": a, "b": b, "r": name, "t": OPPOSITES[name]})
    facts["relation"] = relations
    for first, second in itertools.permutations(relations, 2):
        a, b, c = first["a"], first["b"], second["b"]
        if second["a"] == a and not set(b) & set(c):
            fact = {"a": a, "b": b, "c": c, "r": first["r"], "s": second["r"], "t": second["t"]}
            facts["two relations"].append(fact)
        apart = len(a) == 1 == len(second["a"]) and a != second["a"]
        if apart and b == c and first["r"] == second["r"]:
            facts["shared relation"].append({"a": a, "b": second["a"], "c": b, "r": first["r"]})
    for first, second in itertools.permutations(places, 2):
        if not set(first["a"]) & set(second["a"]) and first["p"] != second["p"]:
            facts["place"].append({**first, "b": second["a"], "q": second["p"]})
    facts["place and relation"] = [
        place | relation
        for place in places
        for relation in relations
        if place["a"] == relation["a"]
    ]
    for a, b, c in _disjoint([one for one in members if len(one) == 1], 3):
        facts["list"].append({"a": a, "b": b, "c": c})
        if between(boxes[a[0]], boxes[b[0]], boxes[c[0]], clearly=True):
            facts["between"].append({"a": a, "b": b, "c": c})
    facts["count"] = [{"a": a, "b": b} for a, b in _disjoint(members, 2) if len(a) > 1]
    return facts


def _disjoint(members, count: int):
    for chosen in itertools.permutations(members, count):
        if len(set().union(*chosen)) == sum(map(len, chosen)):
            yield chosen


def _fill(template, fact, kind, things, mentions, rng: random.Random) -> str:
    """Puts words in the place of the letters of a template."""
    number_names = {number: word for word, number in NUMBERS.items()}
    fields = {"n": number_names[len(things)]}
    for letter, value in fact.items():
        if letter in "abc":
            plural = len(value) > 1
            words = _mention(things[value[0]], mentions[value], plural, rng)
            if plural:
                words = f"{number_names[len(value)]} {words}"
                fields[letter] = words
            elif kind == "count" and rng.random() < 0.3:
                fields[letter] = f"one {words}"
            else:
                fields[letter] = f"{'an' if words.startswith('orange') else 'a'} {words}"
            fields[letter.upper()] = f"the {words}"
            fields[f"is_{letter}"] = "are" if plural else "is"
            fields[f"there_{letter}"] = "there are" if plural else "there is"
            fields[f"it_{letter}"] = "them" if plural else "it"
        else:
            phrases = PLACE_PHRASES if letter in "pq" else RELATION_PHRASES
            fields[letter] = rng.choice(phrases[value])
    return template.format(**fields)


def _mention(model: Thing, options, plural: bool, rng: random.Random) -> str:
    """Names the kind of an object by attributes that tell it, or its group, from all others."""
    names = rng.choices([names for names, _ in options], [weight for _, weight in options])[0]
    words = []
    if "size" in names:
        words.append(rng.choice(SIZE_WORDS[model.size]))
    if "texture" in names:
        words.append(rng.choice(TEXTURE_WORDS[model.texture]))
    if "color" in names:
        words.append(model.color)
    words.append(noun(model.shape, plural))
    return " ".join(words)
