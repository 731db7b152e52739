import numpy as np
import pytest

from pipelines.builtin.scenes.shapes import SHAPES, aspect, outline


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_fill_a_box_of_side_one(shape):
    for angle in (-10, 0, 7):
        corners = np.array(outline(shape, angle))
        np.testing.assert_allclose(corners.min(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(corners.max(axis=0), aspect(shape, angle), atol=1e-12)
        assert max(aspect(shape, angle)) == pytest.approx(1)


def test_an_unknown_shape_is_an_error():
    with pytest.raises(ValueError, match="circle, square"):
        outline("blob")
