import re

import numpy as np
import pytest
from PIL import Image

from apps.captioning import predict
from pipelines.maps import attention_maps
from tests.apps.captioning import tiny
from tests.apps.captioning.tiny import refused


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, trained, scenes_folder):
    """A folder of one picture in many modes, one that cannot be read, and a text file."""
    folder = tmp_path_factory.mktemp("pictures")
    path = scenes_folder / "images" / "test-000000.png"
    (folder / "scene.png").write_bytes(path.read_bytes())
    picture = Image.open(path).convert("RGB").resize((90, 60))
    picture.save(folder / "photo.jpg")
    picture.convert("CMYK").save(folder / "print.jpeg")
    picture.convert("P").save(folder / "palette.gif", transparency=0)
    transparent = picture.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(picture.size))
    transparent.save(folder / "alpha.png")
    deep = np.linspace(0, 65535, 60 * 90).reshape(60, 90).astype("uint16")
    Image.fromarray(deep).save(folder / "grey16.PNG")
    Image.new("RGB", (1, 1), "red").save(folder / "one.bmp")
    (folder / "damaged.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
    return folder


READABLE = [
    "alpha.png",
    "grey16.PNG",
    "one.bmp",
    "palette.gif",
    "photo.jpg",
    "print.jpeg",
    "scene.png",
]


def test_a_folder_of_pictures_of_every_mode(trained, pictures, tmp_path, capsys):
    output = tmp_path / "maps"
    flags = tiny.flags(run=trained.run, input=pictures, output=output, decode_batch_size=3)
    predict.main(flags)
    out = capsys.readouterr().out
    captions = dict(re.findall(rf"^{pictures}/(.*?): (.+)$", out, re.MULTILINE))
    assert list(captions) == READABLE
    (skipped,) = re.findall(r"^skipped: (.*)", out, re.MULTILINE)
    assert skipped.startswith(f"cannot read {pictures}/damaged.jpg as a picture: ")
    assert "notes.txt" not in out

    (described, *_) = tiny.read_lines(trained.run / "captions_test.jsonl")
    assert captions["scene.png"] == described["caption"]

    maps = attention_maps.load_npz(output / "maps.npz")
    written = {name: " ".join(map_.words) for name, map_ in maps.items()}
    # So small a model writes any bytes; control characters do not come through to a terminal.
    shown = {name: re.sub(r"[\x00-\x1f]", "", words) for name, words in written.items()}
    assert shown == captions
    for name, map_ in maps.items():
        assert map_.weights.shape == (len(captions[name].split()), *tiny.GRID)
        with Image.open(output / f"{name}.png") as drawn:
            assert min(drawn.size) > 100
    page = (output / "index.html").read_text("utf-8")
    assert all(caption in page for name, caption in captions.items() if caption == written[name])


def test_one_picture_from_the_command_line(copied, pictures, tmp_path):
    result = tiny.finish(
        "predict", "--input", pictures / "photo.jpg", "--run", copied, folder=tmp_path
    )
    assert (result.status, result.err) == (0, "")
    caption, shown = result.out.splitlines()
    assert re.fullmatch(rf"{pictures}/photo\.jpg: \S.*", caption)
    drawn = copied / "predictions" / "photo.jpg.png"
    assert shown == f"what the words looked at: {drawn}"
    assert drawn.is_file()


def test_sampling_follows_its_seed(trained, pictures, tmp_path, capsys):
    def sampled(seed):
        settings = {"decode": "sample", "top_p": 1.0, "temperature": 5.0, "seed": seed}
        picture = pictures / "photo.jpg"
        predict.main(tiny.flags(run=trained.run, input=picture, output=tmp_path, **settings))
        return capsys.readouterr().out

    assert sampled(1) == sampled(1) != sampled(2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("damaged.jpg", "cannot read .*/damaged.jpg as a picture: "),
        ("notes.txt", "cannot read .*/notes.txt as a picture: not in a format that Pillow reads"),
        ("none.jpg", "there is no picture or folder .*/none.jpg"),
    ],
)
def test_a_picture_that_cannot_be_read(copied, pictures, capsys, name, message):
    line = refused(predict.main, ["--run", copied, "--input", pictures / name], capsys)
    assert re.match(f"error: {message}", line)


def test_no_input_and_no_pictures(copied, tmp_path, capsys):
    line = refused(predict.main, ["--run", copied], capsys)
    assert line == "error: --input is missing: a picture, or a folder of pictures"
    line = refused(predict.main, ["--run", copied, "--input", tmp_path], capsys)
    assert line == f"error: there is no picture in {tmp_path}"


def test_an_output_that_is_a_file(copied, pictures, tmp_path, capsys):
    (tmp_path / "file").touch()
    flags = tiny.flags(run=copied, input=pictures / "one.bmp", output=tmp_path / "file")
    assert f"{tmp_path}/file" in refused(predict.main, flags, capsys)
