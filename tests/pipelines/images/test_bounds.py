"""Images of strangers: what is opened, how large it may be, and whose fault it is."""

import os
import threading
import time

import numpy as np
import pytest
from PIL import Image

from pipelines.commands.errors import MachineError, UserError
from pipelines.images import image_files


@pytest.fixture
def picture(tmp_path):
    """A picture of 13 x 7 pixels."""
    path = tmp_path / "a.png"
    Image.new("RGB", (13, 7), "red").save(path)
    return path


def test_no_format_is_opened_that_another_program_decodes(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    assert Image.open(path).format == "EPS"
    for read in (lambda p: image_files.load(p, 4), image_files.dimensions):
        with pytest.raises(
            UserError, match=r"a\.png as an image: not in a format that Pillow reads"
        ):
            read(path)
    assert not {"EPS", "WMF", "MPEG", "HDF5"} & set(image_files.formats())
    assert {"PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"} <= set(image_files.formats())
    assert ".eps" not in image_files.endings()


def test_a_pipe_is_not_waited_for(tmp_path, picture):
    os.mkfifo(tmp_path / "pipe.png")
    skipped = []
    found = list(image_files.batches([tmp_path / "pipe.png", picture], 4, skipped=skipped))
    assert [positions for positions, _ in found] == [[1]]
    assert [(i, str(e)) for i, e in skipped] == [
        (0, f"{tmp_path / 'pipe.png'} is a pipe, not a file")
    ]
    assert image_files.count_channels([tmp_path / "pipe.png"]) == 1


class TestPixels:
    def test_more_than_fit_into_memory_are_told(self, picture, monkeypatch):
        monkeypatch.setattr(image_files, "most_pixels", lambda: 91)
        assert image_files.load(picture, 4).shape == (4, 4, 3)
        monkeypatch.setattr(image_files, "most_pixels", lambda: 90)
        with pytest.raises(UserError) as raised:
            image_files.load(picture, 4)
        said = f"cannot read {picture} as an image: its 13 x 7 pixels do not fit into memory"
        assert str(raised.value) == said

    def test_a_bomb_is_refused_by_its_header(self, picture, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 45)
        with pytest.raises(UserError, match="its pixels do not fit into memory"):
            image_files.dimensions(picture)

    def test_what_fits_is_half_of_the_memory(self, monkeypatch):
        monkeypatch.setattr(image_files, "memory", lambda: 48_000_000)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
        assert image_files.most_pixels.__wrapped__() == Image.MAX_IMAGE_PIXELS == 1_000_000

    def test_a_photograph_is_decoded_smaller_first(self, tmp_path, monkeypatch):
        Image.new("RGB", (800, 640), "red").save(tmp_path / "a.jpg")
        monkeypatch.setattr(image_files, "most_pixels", lambda: 100 * 80)
        assert (image_files.load(tmp_path / "a.jpg", 8) == [254, 0, 0]).all()

    def test_of_large_ones_one_is_decoded_at_a_time(self, picture, monkeypatch):
        inside, most, count = [], [], threading.Lock()
        to_rgb = image_files._to_rgb

        def watched(image):
            with count:
                inside.append(1)
                most.append(len(inside))
            time.sleep(0.005)
            with count:
                inside.pop()
            return to_rgb(image)

        monkeypatch.setattr(image_files, "_to_rgb", watched)
        monkeypatch.setattr(image_files.os, "cpu_count", lambda: 4)
        for limit, at_once in ((90, 1), (91, 4)):
            monkeypatch.setattr(image_files, "_LARGE", limit)
            most.clear()
            list(image_files.batches([picture] * 12, 4))
            assert (max(most) == 1) == (at_once == 1)


class TestMachine:
    """What the machine refuses is no damage of a picture: it is neither skipped nor guessed."""

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (MemoryError(), "MemoryError"),
            (PermissionError(13, "Permission denied"), "permission denied"),
            (OSError(24, "Too many open files"), "too many open files"),
        ],
    )
    def test_it_ends_the_command(self, picture, monkeypatch, error, said):
        def refuse(source):
            raise error

        monkeypatch.setattr(image_files, "_open", refuse)
        readers = (
            lambda: image_files.load(picture, 4),
            lambda: image_files.dimensions(picture),
            lambda: image_files.count_channels([picture]),
            lambda: list(image_files.batches([picture], 4, skipped=[])),
        )
        for read in readers:
            with pytest.raises(MachineError, match=f"^cannot read {picture} as an image: {said}$"):
                read()

    def test_a_damaged_picture_is_left_out_as_before(self, tmp_path, picture):
        (tmp_path / "b.png").write_bytes(picture.read_bytes()[:40])
        skipped = []
        ((positions, pixels),) = image_files.batches(
            [tmp_path / "b.png", picture], 4, 8, 3, skipped
        )
        assert (positions, np.unique(pixels).tolist()) == ([1], [0, 255])
        ((place, error),) = skipped
        assert place == 0 and not isinstance(error, MachineError)
