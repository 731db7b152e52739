"""Scores of captions and their attention as values worked out by hand."""

import numpy as np
import pytest

from pipelines.builtin import scenes


def thing(shape, color, box):
    return {"shape": shape, "color": color, "size": "large", "texture": "plain", "box": box}


# An image 80 wide and 40 high, in 2 rows and 4 columns of cells of 20 by 20.
GRID, SIZE = (2, 4), (80, 40)
STAR = thing("star", "red", [0, 0, 20, 20])
RING = thing("ring", "blue", [60, 20, 80, 40])
LEFT = "a red star left of a blue ring"  # The nouns are words 2 and 7.
RIGHT = "a red star right of a blue ring"


def peaks(caption, star, ring):
    cells = np.zeros((len(caption.split()), 2), int)
    cells[2], cells[7] = star, ring
    return cells


def score(*described, objects=(STAR, RING), size=SIZE):
    captions, cells = zip(*described, strict=True)
    rows = [{"objects": list(objects)}] * len(captions)
    return scenes.score_objects(captions, rows, cells, [size] * len(captions), GRID)


def test_a_true_caption_that_looks_at_its_objects():
    found = score((LEFT, peaks(LEFT, (0, 0), (1, 3))))
    assert found == {"attribute_accuracy": 1.0, "pointing_accuracy": 1.0}


def test_each_object_word_of_all_captions_counts_once():
    found = score(
        (LEFT, peaks(LEFT, (0, 0), (1, 2))),  # The ring is a column further right.
        (RIGHT, peaks(RIGHT, (1, 0), (0, 3))),  # Not true, and both look a row beside.
        (LEFT, peaks(LEFT, (0, 0), (1, 3))),
    )
    assert found == {"attribute_accuracy": 2 / 3, "pointing_accuracy": 3 / 6}


def test_a_wrong_colour_still_means_the_object_of_that_shape():
    caption = "a blue star left of a blue ring"
    found = score((caption, peaks(caption, (0, 0), (1, 3))))
    assert found == {"attribute_accuracy": 0.0, "pointing_accuracy": 1.0}


def test_what_is_no_sentence_is_wrong_and_names_no_object():
    nonsense = ("a dog runs", np.zeros((3, 2), int))
    assert score(nonsense) == {"attribute_accuracy": 0.0, "pointing_accuracy": 0.0}
    found = score(nonsense, (LEFT, peaks(LEFT, (0, 0), (1, 3))))
    assert found == {"attribute_accuracy": 0.5, "pointing_accuracy": 1.0}


def test_an_object_that_is_not_there_is_missed_wherever_the_word_looks():
    caption = "a green heart left of a blue ring"
    found = score((caption, peaks(caption, (0, 0), (1, 3))))
    assert found == {"attribute_accuracy": 0.0, "pointing_accuracy": 0.5}


@pytest.mark.parametrize(("cell", "share"), [((0, 1), 1.0), ((1, 1), 0.5), ((0, 2), 0.5)])
def test_the_centre_of_the_cell_counts_and_the_edge_of_a_box_is_in_it(cell, share):
    wide = thing("star", "red", [0, 0, 30, 29])  # The centre of cell (0, 1) is at (30, 10).
    found = score((LEFT, peaks(LEFT, cell, (1, 3))), objects=(wide, RING))
    assert found["pointing_accuracy"] == share


def test_cells_are_as_large_as_the_image_makes_them():
    caption = (LEFT, peaks(LEFT, (0, 0), (1, 3)))
    assert score(caption, size=(80, 40))["pointing_accuracy"] == 1.0
    assert score(caption, size=(200, 100))["pointing_accuracy"] == 0.0


def test_a_word_for_two_objects_may_look_at_either():
    twins = (STAR, thing("star", "red", [20, 0, 40, 20]), RING)
    caption = "two red stars left of a blue ring"
    for cell, share in (((0, 0), 1.0), ((0, 1), 1.0), ((0, 2), 0.5)):
        found = score((caption, peaks(caption, cell, (1, 3))), objects=twins)
        assert found == {"attribute_accuracy": 1.0, "pointing_accuracy": share}


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no caption"):
        scenes.score_objects([], [], [], [], GRID)
    with pytest.raises(ValueError):
        scenes.score_objects([LEFT], [{"objects": []}], [], [SIZE], GRID)
