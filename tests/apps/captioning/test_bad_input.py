import re
import shutil

import pytest

from tests.apps.captioning import tiny
from tests.apps.contract import BadInput


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_images(tmp_path / "set", [[f"image number {i}"] for i in range(8)])


@pytest.fixture(autouse=True)
def image(tmp_path):
    """What `predict` is asked."""
    return tiny.write_image(tmp_path / "one.png")


class TestBadInput(BadInput):
    application = "captioning"
    built_in = "scenes"
    settings = tiny.SETTINGS
    asked = {"input": "one.png"}  # noqa: RUF012
    tfds = ("coco_caption", "coco_captions")
    public = "tfds:coco_captions"
    wrong_flags = (
        ("train", "--attention aditive", "--attention takes .*; did you mean additive"),
        (
            "train",
            "--decoder rnn --attention multi_head",
            "--attention multi_head has heads, .*rnn",
        ),
        ("train", "--attention local", "--attention local is self-attention"),
        ("train", "--preset flickr", "--preset takes .*; did you mean flickr8k"),
        ("train", "--dim 10 --num-heads 4", "--dim 10 must be a multiple of --num-heads 4"),
        ("predict", "", "--input is missing; --help lists every flag"),
    )
    bad_lines = (
        ('{"file_name": "0.png"}', "field 'captions' is missing"),
        ('{"captions": ["a ring"]}', "field 'file_name' is missing"),
        ('{"file_name": "0.png", "captions": 3}', "field 'captions' must be a text, not a number"),
        ('{"file_name": "0.png", "captions": []}', "field 'captions' is empty"),
    )

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_a_number_out_of_range_for_a_finished_run(self, refuse, trained, command):
        asked = self.asked if command == "predict" else {}
        for flag in ("--beams 0", "--temperature 0", "--decode-batch-size 0"):
            line = refuse(command, *flag.split(), run=trained.run, **asked)
            assert line.startswith(f"error: {flag.split()[0]} must be ")

    def test_a_damaged_tokenizer(self, refuse, copied):
        (copied / "tokenizer.json").write_text('{"model": 1}')
        line = refuse("evaluate", run=copied)
        assert line.startswith(f"error: {copied / 'tokenizer.json'}")

    def test_no_readable_image(self, refuse, folder):
        for path in folder.glob("*.png"):
            path.write_text("no image")
        line = refuse("train", dataset=folder, image_size=32)
        assert line.startswith(f"error: {folder / '0.png'}: not in a format that Pillow")

    def test_a_metric_that_the_data_set_does_not_have(self, refuse, folder):
        settings = {**tiny.SETTINGS, "dataset": folder, "monitor": "attribute_accuracy"}
        line = refuse("train", **settings)
        assert line.startswith("error: --monitor attribute_accuracy needs the objects of every")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("MobileNetV9", r"unknown backbone 'MobileNetV9'; did you mean MobileNet"),
            ("models/nowhere", "there is no folder models/nowhere"),
            ("nowhere.keras", r"nowhere\.keras cannot be read as a backbone: No such file"),
            ("one.png.keras", r"one\.png\.keras cannot be read as a backbone"),
        ],
    )
    def test_an_unknown_backbone(self, refuse, folder, image, name, message):
        shutil.copy(image, f"{image}.keras")
        line = refuse("train", dataset=folder, backbone=name, image_size=32)
        assert re.match(f"error: {message}", line)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "there is no image or folder two.png"),
            (b"", "cannot read two.png as an image: the file is empty"),
            (b"no image", "cannot read two.png as an image: not in a format that Pillow reads"),
        ],
    )
    def test_an_image_that_cannot_be_read(self, refuse, copied, tmp_path, content, message):
        if content is not None:
            (tmp_path / "two.png").write_bytes(content)
        assert refuse("predict", run=copied, input="two.png") == f"error: {message}"

    def test_a_folder_without_images(self, refuse, copied, tmp_path):
        (tmp_path / "none").mkdir()
        line = refuse("predict", run=copied, input="none")
        assert line == "error: there is no image in none"
        (tmp_path / "none" / "1.png").write_text("no image")
        (tmp_path / "none" / "2.png").write_text("no image")
        line = refuse("predict", run=copied, input="none")
        assert line == "error: no caption: none of the images could be read and described"
