import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from pipelines.images import image_files

SIZE = 16
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def plain(mode, colour, size=(SIZE, SIZE)):
    return Image.new(mode, size, colour)


def is_plain(pixels, colour, tolerance=0):
    assert pixels.shape == (SIZE, SIZE, 3) and pixels.dtype == np.uint8
    return np.abs(pixels.astype(int) - colour).max() <= tolerance


def quadrants():
    """Red, green; blue, white."""
    picture = Image.new("RGB", (64, 32), WHITE)
    for colour, corner in ((RED, (0, 0)), (GREEN, (32, 0)), (BLUE, (0, 16))):
        picture.paste(colour, (*corner, corner[0] + 32, corner[1] + 16))
    return picture


def corners(pixels):
    return [tuple(pixels[y, x].tolist()) for y in (2, -3) for x in (2, -3)]


class TestLoad:
    def test_the_whole_picture_is_kept(self):
        pixels = image_files.load(saved(quadrants(), "PNG"), SIZE)
        assert corners(pixels) == [RED, GREEN, BLUE, WHITE]

    def test_shrinking_averages(self):
        stripes = np.zeros((64, 64), np.uint8)
        stripes[:, ::2] = 200
        pixels = image_files.load(saved(Image.fromarray(stripes), "PNG"), SIZE)
        assert is_plain(pixels[:, 2:-2].repeat(2, axis=1)[:, :SIZE], (100, 100, 100), 3)

    @pytest.mark.parametrize(
        ("orientation", "expected"),
        [
            (1, [RED, GREEN, BLUE, WHITE]),
            (2, [GREEN, RED, WHITE, BLUE]),
            (3, [WHITE, BLUE, GREEN, RED]),
            (6, [BLUE, RED, WHITE, GREEN]),
            (8, [GREEN, WHITE, RED, BLUE]),
        ],
    )
    def test_exif_orientation(self, orientation, expected):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = saved(quadrants(), "JPEG", exif=exif, quality=100, subsampling=0)
        found = corners(image_files.load(file, SIZE))
        np.testing.assert_allclose(found, expected, atol=6)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
    def test_broken_exif_data_does_not_matter(self):
        file = saved(plain("RGB", RED), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
        assert is_plain(image_files.load(file, SIZE), RED, 3)

    def test_a_large_jpeg(self):
        picture = quadrants().resize((1600, 800), Image.Resampling.NEAREST)
        found = corners(image_files.load(saved(picture, "JPEG", quality=95), SIZE))
        np.testing.assert_allclose(found, [RED, GREEN, BLUE, WHITE], atol=6)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (np.full((4, 4), 0, np.uint16), 0),
            (np.full((4, 4), 32768, np.uint16), 128),
            (np.full((4, 4), 65535, np.uint16), 255),
            (np.full((4, 4), 2570, np.uint16), 10),
            (np.full((4, 4), 200, np.int32), 200),
            (np.full((4, 4), 51400, np.int32), 200),
            (np.full((4, 4), 0.5, np.float32), 128),
            (np.full((4, 4), 90.0, np.float32), 90),
            (np.full((4, 4), np.nan, np.float32), 0),
            (np.full((4, 4), -7.0, np.float32), 0),
        ],
    )
    def test_deep_grey(self, values, expected):
        kind = "PNG" if values.dtype == np.uint16 else "TIFF"
        file = saved(Image.fromarray(values), kind)
        assert is_plain(image_files.load(file, SIZE), (expected,) * 3)

    def test_greys_of_any_range_are_stretched(self):
        values = np.linspace(-1e6, 3e6, SIZE, dtype=np.float32)[None].repeat(SIZE, 0)
        pixels = image_files.load(saved(Image.fromarray(values), "TIFF"), SIZE)
        np.testing.assert_array_equal(pixels[3, :, 1], np.rint(np.linspace(0, 255, SIZE)))

    def test_cmyk_jpeg(self):
        file = saved(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=100)
        assert is_plain(image_files.load(file, SIZE), RED, 4)

    def test_lab_tiff(self):
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(
            plain("RGB", (200, 60, 40)), srgb, lab, outputMode="LAB"
        )
        assert is_plain(image_files.load(saved(picture, "TIFF"), SIZE), (200, 60, 40), 4)

    def test_transparent_animated_gif(self):
        frames = [plain("P", 0), plain("P", 1)]
        for frame in frames:
            frame.putpalette([*RED, *GREEN, *BLUE])
        frames[0].paste(2, (0, 0, SIZE, SIZE // 2))
        file = saved(
            frames[0], "GIF", save_all=True, append_images=frames[1:], transparency=0, disposal=2
        )
        pixels = image_files.load(file, SIZE)
        assert pixels[0, 0].tolist() == list(BLUE)
        assert pixels[-1, 0].tolist() == list(WHITE)

    @pytest.mark.parametrize(
        ("mode", "colour", "expected"),
        [
            ("RGBA", (255, 0, 0, 0), WHITE),
            ("RGBA", (255, 0, 0, 255), RED),
            ("RGBA", (0, 0, 255, 51), (204, 204, 255)),
            ("LA", (0, 51), (204, 204, 204)),
            ("L", 77, (77, 77, 77)),
            ("1", 1, WHITE),
            ("1", 0, (0, 0, 0)),
        ],
    )
    def test_modes(self, mode, colour, expected):
        assert is_plain(image_files.load(saved(plain(mode, colour), "PNG"), SIZE), expected)

    @pytest.mark.parametrize(
        ("mode", "colour", "expected"),
        [
            ("L", 77, 77),
            ("RGB", (255, 0, 0), 76),
            ("LA", (0, 51), 204),
            ("CMYK", (0, 0, 0, 255), 0),
        ],
    )
    def test_as_grey(self, mode, colour, expected):
        kind = "TIFF" if mode == "CMYK" else "PNG"
        pixels = image_files.load(saved(plain(mode, colour), kind), SIZE, channels=1)
        assert pixels.shape == (SIZE, SIZE, 1) and pixels.dtype == np.uint8
        assert (pixels == expected).all()

    def test_a_transparent_colour(self):
        file = saved(plain("RGB", RED), "PNG", transparency=RED)
        assert is_plain(image_files.load(file, SIZE), WHITE)

    def test_one_pixel(self):
        assert is_plain(image_files.load(saved(plain("RGB", BLUE, (1, 1)), "PNG"), SIZE), BLUE)

    @pytest.mark.parametrize("kind", ["WEBP", "BMP", "TIFF", "PPM", "TGA"])
    def test_formats(self, kind):
        options = {"lossless": True} if kind == "WEBP" else {}
        assert is_plain(image_files.load(saved(plain("RGB", GREEN), kind, **options), SIZE), GREEN)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "the file is empty"),
            (b"this is text", "not in a format that Pillow reads"),
            (saved(quadrants(), "JPEG").getvalue()[:-60], "[Tt]runcated"),
            (saved(quadrants(), "PNG").getvalue()[:60], "."),
        ],
    )
    def test_damaged_files(self, tmp_path, content, reason):
        path = tmp_path / "picture.jpg"
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"cannot read .*picture\.jpg as an image: .*{reason}"):
            image_files.load(path, SIZE)

    @pytest.mark.parametrize("name", ["missing.jpg", "", "a\0b.jpg"])
    def test_no_such_file(self, tmp_path, name):
        with pytest.raises(UserError, match="cannot read"):
            image_files.load(tmp_path / name, SIZE)

    def test_decompression_bomb(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        monkeypatch.setattr(image_files, "most_pixels", lambda: 20_000 * 19_999)
        file = saved(plain("1", 0, (20_000, 20_000)), "PNG")
        with pytest.raises(UserError, match="its 20000 x 20000 pixels do not fit into memory"):
            image_files.load(file, SIZE)

    def test_a_bomb_of_text_in_a_png(self):
        text = PngImagePlugin.PngInfo()
        text.add_text("comment", "a" * 10_000_000, zip=True)
        with pytest.raises(UserError, match="cannot read the image as an image"):
            image_files.load(saved(plain("L", 0), "PNG", pnginfo=text), SIZE)


@pytest.fixture
def files(tmp_path):
    """Seven greys, of which the fourth is not a picture and the sixth is missing."""
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for i, path in enumerate(paths):
        plain("L", 10 * i).save(path)
    paths[3].write_text("no picture")
    paths[5].unlink()
    return paths


class TestArrays:
    def test_pixels_are_read_as_a_file_of_them_is(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / "a.png")
        expected = image_files.load(tmp_path / "a.png", SIZE)
        np.testing.assert_array_equal(image_files.load(pixels, SIZE), expected)

    def test_other_arrays_are_refused(self):
        with pytest.raises(UserError, match=r"cannot read an array \(4, 4, 5\) of uint8 as an"):
            image_files.load(np.zeros((4, 4, 5), "uint8"), SIZE)
        with pytest.raises(UserError, match=r"cannot read an array \(4, 4, 3\) of float64 as an"):
            image_files.load(np.zeros((4, 4, 3)), SIZE)


class TestAsRows:
    def test_one_alone_and_several(self):
        array = np.zeros((4, 4, 3), "uint8")
        assert image_files.as_rows("a.png") == [{"path": "a.png"}]
        assert image_files.as_rows(Path("a.png")) == [{"path": Path("a.png")}]
        assert image_files.as_rows(["a.png", "b.png"]) == [{"path": "a.png"}, {"path": "b.png"}]
        ((key, found),) = image_files.as_rows(array)[0].items()
        assert key == "path" and found is array
        assert len(image_files.as_rows(np.stack([array, array]))) == 2
        assert image_files.as_rows([]) == []

    def test_rows_keep_what_they_hold(self):
        row = {"file_name": "a.png", "label": "cat"}
        assert image_files.as_rows(row) == [{**row, "path": "a.png"}]
        row["path"] = "/data/a.png"
        assert image_files.as_rows([row]) == [row]


class TestBatches:
    def test_unreadable_pictures_are_left_out_and_batches_are_full(self, files):
        skipped = []
        found = [
            (positions, pixels[:, 0, 0, 0].tolist())
            for positions, pixels in image_files.batches(files, SIZE, 2, skipped=skipped)
        ]
        assert found == [([0, 1], [0, 10]), ([2, 4], [20, 40]), ([6], [60])]
        assert [(position, str(error)) for position, error in skipped] == [
            (3, f"cannot read {files[3]} as an image: not in a format that Pillow reads"),
            (5, f"cannot read {files[5]} as an image: no such file or directory"),
        ]

    def test_an_unreadable_picture_is_an_error_where_nobody_asks_for_it(self, files):
        batches = image_files.batches(files, SIZE, batch_size=2)
        assert next(batches)[0] == [0, 1]
        with pytest.raises(UserError, match=r"cannot read .*/3\.png as an image"):
            next(batches)

    def test_it_can_be_abandoned(self, files):
        batches = image_files.batches(files * 50, SIZE, batch_size=2, skipped=[])
        next(batches)
        batches.close()


class TestCachedPixels:
    def test_rows_and_pixels(self, files, tmp_path):
        pixels, rows = image_files.cached_pixels(files, SIZE, tmp_path / "cache")
        assert rows.tolist() == [0, 1, 2, -1, 3, -1, 4]
        assert pixels[:, 5, 5, 2].tolist() == [0, 10, 20, 40, 60]

    def test_a_picture_is_read_once_until_it_changes(self, files, tmp_path, monkeypatch):
        image_files.cached_pixels(files, SIZE, tmp_path / "cache")
        read = []
        load = image_files.load
        monkeypatch.setattr(
            image_files, "load", lambda file, *rest: (read.append(file), load(file, *rest))[1]
        )
        files[3].write_bytes(saved(plain("L", 99), "PNG").getvalue())
        plain("RGB", RED).save(files[0])
        pixels, rows = image_files.cached_pixels(files[::-1], SIZE, tmp_path / "cache")
        assert set(read) == {files[0], files[3]}
        assert [tuple(pixels[row, 0, 0].tolist()) for row in (rows[6], rows[3], rows[5])] == [
            RED,
            (99, 99, 99),
            (10, 10, 10),
        ]


def test_the_readable_files_of_a_split(files, capsys):
    left_out.begin(most=0.5)
    rows = np.array([0, 1, 2, -1, 3, -1, 4])
    assert image_files.readable(files, rows).tolist() == [0, 1, 2, 4, 6]
    said = capsys.readouterr().out
    assert said.startswith("images: 2 of 7 left out, the first is") and "; 5 remain\n" in said
    assert image_files.readable(files[:3], rows[:3]).tolist() == [0, 1, 2]
    assert capsys.readouterr().out == ""
    with pytest.raises(UserError, match=r"/3\.png: "):
        image_files.readable(files[3:4], rows[3:4])


class TestCountChannels:
    def write(self, folder, *modes):
        for number, mode in enumerate(modes):
            plain(mode, 1).save(folder / f"{number}.tiff")
        return [folder / f"{number}.tiff" for number in range(len(modes))]

    def test_grey_as_long_as_none_is_in_colour(self, tmp_path):
        assert image_files.count_channels(self.write(tmp_path, "L", "1", "I;16", "F")) == 1
        assert image_files.count_channels(self.write(tmp_path, "L", "1", "RGB", "L")) == 3
        assert image_files.count_channels(self.write(tmp_path, "P")) == 3

    def test_what_cannot_be_read_does_not_count(self, tmp_path):
        (tmp_path / "text.png").write_text("no picture")
        files = [tmp_path / "text.png", tmp_path / "missing.png", *self.write(tmp_path, "L")]
        assert image_files.count_channels(files) == 1

    def test_it_stops_at_the_first_in_colour(self, tmp_path):
        files = iter([*self.write(tmp_path, "L", "RGB"), "never opened"])
        assert image_files.count_channels(files) == 3
        assert next(files) == "never opened"


class TestFind:
    def test_a_file_or_the_pictures_of_a_folder(self, tmp_path):
        for name in ("b.png", "a.JPG", "notes.txt"):
            (tmp_path / name).touch()
        assert image_files.find(tmp_path) == [tmp_path / "a.JPG", tmp_path / "b.png"]
        assert image_files.find(str(tmp_path / "notes.txt")) == [tmp_path / "notes.txt"]

    def test_nothing(self, tmp_path):
        with pytest.raises(UserError, match="there is no image in"):
            image_files.find(tmp_path)
        with pytest.raises(UserError, match=r"there is no image or folder .*/none"):
            image_files.find(tmp_path / "none")


def test_grey_pixels_have_a_cache_of_their_own(tmp_path):
    path = tmp_path / "red.png"
    plain("RGB", RED).save(path)
    for channels, expected in ((3, list(RED)), (1, [76])):
        pixels, rows = image_files.cached_pixels(
            [path], SIZE, tmp_path / "cache", channels=channels
        )
        assert pixels[rows[0], 2, 3].tolist() == expected
