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
def pictures(tmp_path_factory, cache_folder, trained):
    """A folder of one digit in many modes and sizes, a broken picture, and a text file."""
    folder = tmp_path_factory.mktemp("pictures")
    (digits,) = (cache_folder / "datasets").glob("digits-*")
    (first, *_) = read_lines(trained.run / "predictions_test.jsonl")
    path = digits / first["file_name"]
    (folder / "digit.png").write_bytes(path.read_bytes())
    picture = Image.open(path).convert("RGB").resize((90, 60))
    picture.save(folder / "photo.jpg")
    picture.convert("CMYK").save(folder / "print.jpeg")
    picture.convert("P").save(folder / "palette.gif", transparency=0)
    Image.fromarray(np.full((50, 3), 40_000, "uint16")).save(folder / "grey16.PNG")
    Image.new("RGB", (1, 1), "red").save(folder / "one.bmp")
    Image.new("L", (4000, 3000), 90).save(folder / "huge.png")
    (folder / "broken.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
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


def test_a_folder_of_pictures_of_every_mode(trained, pictures, tmp_path, capsys):
    output = tmp_path / "maps"
    predict.main(flags(run=trained.run, input=pictures, output=output, batch_size=3))
    out = capsys.readouterr().out
    said = dict(re.findall(rf"^{pictures}/(.*?): (.+)$", out, re.MULTILINE))
    assert list(said) == READABLE
    for line in said.values():
        shares = [float(share) for share in re.findall(r"\d \(([\d.]+)%\)", line)]
        assert len(shares) == 3 and shares == sorted(shares, reverse=True) and sum(shares) <= 100.1
    (skipped,) = re.findall(r"^skipped: (.*)", out, re.MULTILINE)
    assert skipped.startswith(f"cannot read {pictures}/broken.jpg as a picture: ")
    assert "notes.txt" not in out
    assert "1 of 8 pictures cannot be read: skipped" in out.splitlines()[-2:]
    assert f"what was looked at: {output / 'index.html'}" in out

    (first, *_) = read_lines(trained.run / "predictions_test.jsonl")
    assert said["digit.png"].startswith(f"{first['predicted']} ({first['probability']:.1%})")

    maps = attention_maps.load_npz(output / "maps.npz")
    assert list(maps) == READABLE
    assert {path.name for path in output.glob("*.png")} == {f"{name}.png" for name in READABLE}
    page = (output / "index.html").read_text("utf-8")
    for line in said.values():
        likeliest = re.findall(r"(\d) \(([\d.]+)%\)", line)
        assert f"<h2>Predicted {likeliest[0][0]}</h2>" in page
        for name, share in likeliest:
            assert f"<span>{name}</span><span>{share}\u00a0%</span>" in page


def test_one_picture_from_the_command_line(copied, pictures, tmp_path):
    picture = pictures / "photo.jpg"
    result = tiny.finish("predict", "--input", picture, "--run", copied, folder=tmp_path)
    assert (result.status, result.err) == (0, "")
    said, shown = result.out.splitlines()
    assert re.fullmatch(rf"{picture}: \d \(\d+\.\d%\)(, \d \(\d+\.\d%\)){{2}}", said)
    drawn = copied / "predictions" / "photo.jpg.png"
    assert shown == f"what was looked at: {drawn}" and drawn.is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken.jpg", "cannot read .*/broken.jpg as a picture: "),
        ("notes.txt", "cannot read .*/notes.txt as a picture: not in a format that Pillow reads"),
        ("none.jpg", "there is no picture or folder .*/none.jpg"),
    ],
)
def test_a_picture_that_cannot_be_read(copied, pictures, capsys, name, message):
    line = refused(predict.main, ["--run", copied, "--input", pictures / name], capsys)
    assert re.match(f"error: {message}", line)


def test_no_input_and_no_pictures(copied, pictures, tmp_path, capsys):
    line = refused(predict.main, ["--run", copied], capsys)
    assert line == "error: --input is missing: a picture, or a folder of pictures"
    line = refused(predict.main, ["--run", copied, "--input", tmp_path], capsys)
    assert line == f"error: there is no picture in {tmp_path}"
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes((pictures / "broken.jpg").read_bytes())
    line = refused(predict.main, ["--run", copied, "--input", tmp_path], capsys)
    assert line == "error: none of the pictures could be read"


def test_a_name_that_is_not_in_utf_8(copied, pictures, tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes((pictures / "digit.png").read_bytes())
    for given in (tmp_path, tmp_path / name):
        line = refused(predict.main, ["--run", copied, "--input", given], capsys)
        assert line == rf"error: the name '{tmp_path}/caf\xe9.png' is not in UTF-8: rename it"


def test_an_output_that_is_a_file(copied, pictures, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = flags(run=copied, input=pictures / "one.bmp", output=tmp_path / "file")
    assert f"{tmp_path}/file" in refused(predict.main, arguments, capsys)
