"""The judge finds true what is true, and false what is false."""

import re

import pytest

from pipelines.builtin.scenes import judge
from pipelines.builtin.scenes.shapes import SHAPES
from pipelines.builtin.scenes.world import COLORS

PLURALS = {"crosses": "cross"} | {f"{shape}s": shape for shape in SHAPES if shape != "cross"}
NOUNS = {shape: shape for shape in SHAPES} | PLURALS
SIZES = {"small": "small", "little": "small", "large": "large", "big": "large"}
TEXTURES = {"plain": "plain", "striped": "striped", "dotted": "dotted", "spotted": "dotted"}
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
FLIPS = {"left": "right", "above": "below", "top": "bottom"}
FLIPS |= {flipped: word for word, flipped in FLIPS.items()} | {"under": "above"}


def _thing(shape, color, x, y, size="large", texture="plain", side=20):
    box = [x - side // 2, y - side // 2, x + side // 2, y + side // 2]
    return {"shape": shape, "color": color, "size": size, "texture": texture, "box": box}


OBJECTS = [
    _thing("square", "red", 20, 20),
    _thing("square", "red", 70, 22, size="small", texture="striped"),
    _thing("circle", "blue", 22, 74),
    _thing("star", "orange", 74, 72, texture="dotted"),
]


def test_every_claim_holds_and_every_mention_is_unambiguous(told):
    for objects, texts in told:
        for text in texts:
            verdict = judge(text, objects)
            assert verdict.right, (text, objects, verdict)
            assert all(claim.ok for claim in verdict.claims), (text, objects, verdict)
            words = text.split()
            positions = {position for position, _ in verdict.mentions}
            assert {at for at, word in enumerate(words) if word in NOUNS} <= positions
            for position, members in verdict.mentions:
                number, wanted = _read_mention(words, position)
                assert members == _matching(objects, wanted), (text, objects)
                assert len(members) == number


@pytest.mark.parametrize("kind", ["colour", "shape", "count", "relation"])
def test_one_wrong_word_makes_a_caption_wrong_unless_it_happens_to_be_true(told, kind):
    changed = found_right = compared = 0
    for objects, texts in told[:500]:
        for text in texts:
            for corrupted in _corruptions(text, kind):
                changed += 1
                verdict = judge(corrupted, objects)
                right = verdict.right
                found_right += right
                truth = _brute_force(corrupted, objects)
                if truth is not None:
                    compared += 1
                    assert right == truth, (corrupted, objects)
                if right:
                    assert _possible(corrupted, objects), (corrupted, objects)
                # "three dotted stars" of two dotted and one plain: a wrong texture of three stars.
                looks = [claim.ok for claim in verdict.claims if claim.kind in ("size", "texture")]
                assert not right or kind in ("colour", "shape") or not all(looks)
    assert changed > 500
    assert found_right < 0.1 * changed
    assert kind == "count" or compared > 50


def _corruptions(text, kind):
    """Every caption that differs in one word of that kind (the first other word of each)."""
    words = text.split()
    for at, word in enumerate(words):
        if kind == "colour" and word in COLORS:
            other = COLORS[(COLORS.index(word) + 1 + len(text) % 7) % len(COLORS)]
        elif kind == "shape" and word in NOUNS:
            group = tuple(PLURALS) if word in PLURALS else SHAPES
            other = group[(group.index(word) + 1 + len(text) % 7) % len(group)]
        elif kind == "count" and word in ("two", "three", "four"):
            other = {"two": "three", "three": "four", "four": "two"}[word]
        elif kind == "relation" and word in FLIPS:
            other = FLIPS[word]
        else:
            continue
        yield " ".join([*words[:at], other, *words[at + 1 :]])


def _read_mention(words, position):
    """The number and the attributes of the mention that ends at a position."""
    wanted = {"shape": NOUNS[words[position]]} if words[position] in NOUNS else {}
    at = position - 1
    for field, values in (
        ("color", dict(zip(COLORS, COLORS, strict=True))),
        ("texture", TEXTURES),
        ("size", SIZES),
    ):
        if words[at] in values:
            wanted[field] = values[words[at]]
            at -= 1
    return NUMBERS.get(words[at], 1), wanted


def _matching(objects, wanted):
    return [
        index
        for index, thing in enumerate(objects)
        if all(thing[field] == value for field, value in wanted.items())
    ]


def _possible(text, objects):
    """A necessary condition: there are as many objects of each colour and shape as are named."""
    words = text.split()
    for position, word in enumerate(words):
        if word in NOUNS or word in ("objects", "shapes"):
            number, wanted = _read_mention(words, position)
            wanted = {field: wanted[field] for field in ("color", "shape") if field in wanted}
            if len(_matching(objects, wanted)) < number:
                return False
    return True


def _brute_force(text, objects):
    """The truth of the captions of the simplest form, "… X (is) RELATION Y"; None for others."""
    thing = rf"(?:an?|the) ({'|'.join(COLORS)}) ({'|'.join(SHAPES)})"
    match = re.fullmatch(
        rf"(?:an? (?:picture|image) of |this picture shows |we can see |there is )?{thing}"
        rf"(?: is)?(?: to the)? (left|right|above|below|under)(?: of)? {thing}",
        text,
    )
    if not match:
        return None
    color, shape, relation, other_color, other_shape = match.groups()
    for index in _matching(objects, {"color": color, "shape": shape}):
        for other in _matching(objects, {"color": other_color, "shape": other_shape}):
            x0, y0, x1, y1 = objects[index]["box"]
            u0, v0, u1, v1 = objects[other]["box"]
            dx, dy = (u0 + u1 - x0 - x1) / 2, (v0 + v1 - y0 - y1) / 2
            if abs(dx) > abs(dy) and abs(dx) >= 12:
                actual = ("left",) if dx > 0 else ("right",)
            elif abs(dy) > abs(dx) and abs(dy) >= 12:
                actual = ("above",) if dy > 0 else ("below", "under")
            else:
                actual = ()
            if relation in actual and index != other:
                return True
    return False


@pytest.mark.parametrize(
    ("caption", "right"),
    [
        ("a red square above a blue circle", True),
        ("A red square above a blue circle.", True),
        ("a red square below a blue circle", False),
        ("two red squares above an orange star", False),  # one of them is not
        ("two red squares at the top and a blue circle in the bottom left corner", True),
        ("two red squares at the top and a blue circle in the bottom right corner", False),
        ("three red squares", False),
        ("one red square", False),
        ("one blue circle and two squares in a picture of four objects", True),
        ("one blue circle and two squares in a picture of three objects", False),
        ("a red square left of a red square", True),
        ("a blue circle left of a blue circle", False),  # there is only one
        ("a red square with a small red square right of it and a blue circle below it", True),
        ("a red square with a small red square right of it and a blue circle above it", False),
        ("both the large red square and the blue circle are left of the orange star", True),
        ("both the blue circle and the large red square are left of the small square", False),
        ("both the large red square and the small red square are at the top", True),
        ("below the small red square there is a dotted orange star right of the circle", True),
        ("an orange star between a red square and a blue circle", False),
        ("the large red square is left of the small red square and above the circle", True),
        ("the large red square is left of the small red square and below the circle", False),
        ("a star is at the bottom and above the circle is a red square", True),
        ("a star is at the bottom and above the circle is a blue square", False),
        ("two red objects together with a star in the picture", True),
        ("two blue objects together with a star in the picture", False),
        ("there are four shapes", True),
        ("there are two shapes", False),
        ("a green heart and a white ring", False),
    ],
)
def test_judge_on_sentences_of_the_grammar(caption, right):
    verdict = judge(caption, OBJECTS)
    assert verdict.parsed
    assert verdict.right == right


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a red",
        "red square",
        "a red square above",
        "a red square is",
        "two red square",
        "one red squares",
        "a red squares",
        "a red square and",
        "a red blue square",
        "a square red",
        "above it is a red square",
        "a red square a blue circle",
        "between a red square and a blue circle",
        "a pink square above a blue circle",
        "a dog runs over the grass",
    ],
)
def test_what_is_not_in_the_grammar_is_not_parsed_and_not_right(caption):
    verdict = judge(caption, OBJECTS)
    assert (verdict.parsed, verdict.right, verdict.claims) == (False, False, [])


def test_between_needs_the_middle_of_the_line():
    row = [
        _thing("star", "red", 48, 50),
        _thing("ring", "blue", 16, 48),
        _thing("heart", "green", 80, 46),
    ]
    assert judge("the red star is between the blue ring and the green heart", row).right
    assert not judge("the blue ring is between the red star and the green heart", row).right


def test_claims_are_listed_by_kind():
    verdict = judge("the small dotted red square is above one orange circle", OBJECTS)
    assert [(claim.kind, claim.text, claim.ok) for claim in verdict.claims] == [
        ("size", "small", True),
        ("texture", "dotted", False),
        ("colour", "red", True),
        ("shape", "square", True),
        ("colour", "orange", False),
        ("shape", "circle", True),
        ("count", "1 orange circle", True),
        ("relation", "small dotted red square above orange circle", True),
    ]
    assert verdict.mentions == [(4, [1]), (9, [2])]


def test_a_wrong_size_or_texture_is_a_wrong_claim_but_not_a_wrong_caption():
    verdict = judge("a small striped blue circle on the left side", OBJECTS)
    assert [claim.kind for claim in verdict.claims if not claim.ok] == ["size", "texture"]
    assert verdict.right


def test_the_size_tells_which_of_two_is_meant():
    assert judge("the small red square is above the orange star", OBJECTS).right
    assert not judge("the large red square is above the orange star", OBJECTS).right


def test_mentions_count_words_and_leave_out_the_number_of_all_objects():
    verdict = judge("a picture of four objects with two red squares and one blue circle", OBJECTS)
    assert verdict.mentions == [(8, [0, 1]), (12, [2])]


def test_more_mentions_than_objects_are_not_right():
    caption = " and ".join(["a red square"] * 5)
    verdict = judge(caption, OBJECTS)
    assert verdict.parsed and not verdict.right
    assert verdict.mentions == [(2, [0]), (6, [1]), (10, []), (14, []), (18, [])]
