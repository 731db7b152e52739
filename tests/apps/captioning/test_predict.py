import html
import re

import numpy as np
import pytest
from PIL import Image

from apps.captioning import predict
from pipelines.commands.terminal import printable
from pipelines.maps import attention_maps
from tests.apps.captioning import tiny


@pytest.fixture(scope="module")
def images(tmp_path_factory, scenes_folder):
    """A folder of one image in many modes, one that cannot be read, and a text file."""
    folder = tmp_path_factory.mktemp("images")
    path = scenes_folder / "images" / "test-000000.png"
    (folder / "scene.png").write_bytes(path.read_bytes())
    image = Image.open(path).convert("RGB").resize((90, 60))
    image.save(folder / "photo.jpg")
    image.convert("CMYK").save(folder / "print.jpeg")
    image.convert("P").save(folder / "palette.gif", transparency=0)
    transparent = image.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(image.size))
    transparent.save(folder / "alpha.png")
    deep = np.linspace(0, 65535, 60 * 90).reshape(60, 90).astype("uint16")
    Image.fromarray(deep).save(folder / "grey16.PNG")
    Image.new("RGB", (1, 1), "red").save(folder / "one.bmp")
    (folder / "damaged.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
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


def test_a_folder_of_images_of_every_mode(trained, images, tmp_path, capsys):
    output = tmp_path / "maps"
    flags = tiny.flags(run=trained.run, input=images, output=output, decode_batch_size=4)
    predict.main(flags)
    out = capsys.readouterr().out
    captions = dict(re.findall(rf"^{images}/(.*?): (.+)$", out, re.MULTILINE))
    assert list(captions) == READABLE
    (skipped,) = re.findall(r"^skipped: (.*)", out, re.MULTILINE)
    assert skipped.startswith(f"cannot read {images}/damaged.jpg as an image: ")
    assert "notes.txt" not in out
    assert out.splitlines()[-1] == f"attention maps: {output / 'index.html'}"

    (described, *_) = tiny.read_lines(trained.run / "captions_test.jsonl")
    assert captions["scene.png"] == described["caption"]

    maps = attention_maps.load_npz(output / "maps.npz")
    written = {name: " ".join(map_.words) for name, map_ in maps.items()}
    # So small a model writes any bytes; control characters come to a terminal escaped.
    shown = {name: printable(words) for name, words in written.items()}
    assert shown == captions
    for name, map_ in maps.items():
        assert map_.weights.shape == (len(captions[name].split()), *tiny.GRID)
        with Image.open(output / f"{name}.png") as drawn:
            assert min(drawn.size) > 100
    page = html.unescape((output / "index.html").read_text("utf-8"))
    assert all(caption in page for name, caption in captions.items() if caption == written[name])


def test_one_image(copied, images, capsys):
    predict.main(tiny.flags(run=copied, input=images / "photo.jpg"))
    caption, shown = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{images}/photo\.jpg: \S.*", caption)
    drawn = copied / "predictions" / "photo.jpg.png"
    assert shown == f"attention maps: {drawn}"
    assert drawn.is_file()


@pytest.mark.slow
def test_from_the_command_line(copied, images, tmp_path):
    input_ = images / "photo.jpg"
    result = tiny.finish("predict", "--input", input_, "--run", copied, folder=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"{input_}: ")
