import os
import re

import numpy as np
import pytest
from PIL import Image

from apps.vision import predict
from pipelines.maps import attention_maps
from tests.apps.commands import flags, read_lines, refused
from tests.apps.vision import tiny


@pytest.fixture(scope="module")
def images(tmp_path_factory, cache_folder, trained):
    """A folder of one digit in many modes and sizes, a broken image, and a text file."""
    folder = tmp_path_factory.mktemp("images")
    (digits,) = (cache_folder / "datasets").glob("digits-*")
    (first, *_) = read_lines(trained.run / "predictions_test.jsonl")
    path = digits / first["file_name"]
    (folder / "digit.png").write_bytes(path.read_bytes())
    image = Image.open(path).convert("RGB").resize((90, 60))
    image.save(folder / "photo.jpg")
    image.convert("CMYK").save(folder / "print.jpeg")
    image.convert("P").save(folder / "palette.gif", transparency=0)
    Image.fromarray(np.full((50, 3), 40_000, "uint16")).save(folder / "grey16.PNG")
    Image.new("RGB", (1, 1), "red").save(folder / "one.bmp")
    Image.new("L", (4000, 3000), 90).save(folder / "huge.png")
    (folder / "broken.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
    return folder


READABLE = [
    "digit.png",
    "grey16.PNG",
    "huge.png",
    "one.bmp",
    "palette.gif",
    "photo.jpg",
    "print.jpeg",
]


def test_a_folder_of_images_of_every_mode(trained, images, tmp_path, capsys):
    output = tmp_path / "maps"
    predict.main(flags(run=trained.run, input=images, output=output, batch_size=3))
    out = capsys.readouterr().out
    said = dict(re.findall(rf"^{images}/(.*?): (.+)$", out, re.MULTILINE))
    assert list(said) == READABLE
    for line in said.values():
        shares = [float(share) for share in re.findall(r"\d \(([\d.]+)%\)", line)]
        assert len(shares) == 3 and shares == sorted(shares, reverse=True) and sum(shares) <= 100.1
    (skipped,) = re.findall(r"^skipped: (.*)", out, re.MULTILINE)
    assert skipped.startswith(f"cannot read {images}/broken.jpg as an image: ")
    assert "notes.txt" not in out
    assert out.splitlines()[-2:] == [
        "1 of 8 images cannot be read: skipped",
        f"attention maps: {output / 'index.html'}",
    ]

    (first, *_) = read_lines(trained.run / "predictions_test.jsonl")
    assert said["digit.png"].startswith(f"{first['predicted']} ({first['probability']:.1%})")

    maps = attention_maps.load_npz(output / "maps.npz")
    assert list(maps) == READABLE
    assert {path.name for path in output.glob("*.png")} == {f"{name}.png" for name in READABLE}
    page = (output / "index.html").read_text("utf-8")
    for line in said.values():
        classes = re.findall(r"(\d) \(([\d.]+)%\)", line)
        assert f"<h2>Predicted {classes[0][0]}</h2>" in page
        for name, share in classes:
            assert f"<span>{name}</span><span>{share}\u00a0%</span>" in page


def test_one_image(copied, images, capsys):
    predict.main(flags(run=copied, input=images / "photo.jpg"))
    said, shown = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{images}/photo.jpg: \d \(\d+\.\d%\)(, \d \(\d+\.\d%\)){{2}}", said)
    drawn = copied / "predictions" / "photo.jpg.png"
    assert shown == f"attention maps: {drawn}" and drawn.is_file()


@pytest.mark.slow
def test_from_the_command_line(copied, images, tmp_path):
    image = images / "photo.jpg"
    result = tiny.finish("predict", "--input", image, "--run", copied, folder=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{image}: ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken.jpg", "cannot read .*/broken.jpg as an image: "),
        ("notes.txt", "cannot read .*/notes.txt as an image: not in a format that Pillow reads"),
        ("none.jpg", "there is no image or folder .*/none.jpg"),
    ],
)
def test_an_image_that_cannot_be_read(copied, images, capsys, name, message):
    line = refused(predict.main, ["--run", copied, "--input", images / name], capsys)
    assert re.match(f"error: {message}", line)


def test_a_folder_without_images(copied, images, tmp_path, capsys):
    line = refused(predict.main, ["--run", copied, "--input", tmp_path], capsys)
    assert line == f"error: there is no image in {tmp_path}"
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes((images / "broken.jpg").read_bytes())
    line = refused(predict.main, ["--run", copied, "--input", tmp_path], capsys)
    assert line == "error: none of the images could be read"


def test_a_name_that_is_not_in_utf_8(copied, images, tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes((images / "digit.png").read_bytes())
    for given in (tmp_path, tmp_path / name):
        line = refused(predict.main, ["--run", copied, "--input", given], capsys)
        assert line == rf"error: the name '{tmp_path}/caf\xe9.png' is not in UTF-8: rename it"
