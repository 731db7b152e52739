"""What the captions are like: their form, their words and what they claim."""

import re

from pipelines.builtin.scenes import judge
from pipelines.builtin.scenes.language import captions
from pipelines.builtin.scenes.shapes import SHAPES
from pipelines.builtin.scenes.words import PLURALS, SIZE_OF, TEXTURE_OF
from pipelines.builtin.scenes.world import COLORS, sample_scene

NOUNS = (*SHAPES, *PLURALS.values())


def test_captions_are_five_different_lower_case_sentences_of_8_to_18_words(told):
    for _, texts in told:
        assert len(set(texts)) == len(texts) == 5
        for text in texts:
            assert re.fullmatch("[a-z]+( [a-z]+)*", text)
            assert 8 <= len(text.split()) <= 18


def test_captions_vary_in_form_over_a_small_vocabulary(told):
    words = {word for _, texts in told for text in texts for word in text.split()}
    assert 60 <= len(words) <= 90
    content = COLORS + NOUNS + tuple(SIZE_OF) + tuple(TEXTURE_OF) + ("objects", "shapes")
    assert set(content) <= words
    mention = rf"(a|an|the|one|two|three|four)( the)?( ({'|'.join(content)}))+"
    forms = {re.sub(mention, "X", text) for _, texts in told for text in texts}
    assert len(forms) > 100


def test_captions_count_and_relate_and_do_not_tell_all(told):
    kinds = [
        {claim.kind for claim in judge(text, objects).claims}
        for objects, texts in told[:500]
        for text in texts
    ]
    assert sum("relation" in some for some in kinds) > 0.5 * len(kinds)
    assert sum("count" in some for some in kinds) > 0.15 * len(kinds)
    for kind in ("size", "texture"):
        assert 0.2 * len(kinds) < sum(kind in some for some in kinds) < 0.6 * len(kinds)


def test_captions_of_a_scene_are_deterministic():
    scene = sample_scene(0, "test", 7)
    assert captions(scene) == captions(sample_scene(0, "test", 7))
