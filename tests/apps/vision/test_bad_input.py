import pytest
from PIL import Image

from tests.apps.contract import BadInput
from tests.apps.vision import tiny


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_lines(tmp_path / "set", ["a", "b"] * 6)


@pytest.fixture(autouse=True)
def image(tmp_path):
    """What `predict` is asked."""
    Image.new("L", (8, 8)).save(tmp_path / "one.png")


class TestBadInput(BadInput):
    application = "vision"
    built_in = "digits"
    settings = tiny.SETTINGS
    asked = {"input": "one.png"}  # noqa: RUF012
    tfds = ("cifar11", "cifar10")
    public = "tfds:cifar10"
    wrong_flags = (
        ("train", "--attention multihead", "--attention takes .*; did you mean multi_head"),
        ("train", "--size tinny", "--size takes .*; did you mean tiny"),
        ("train", "--preset cifar", "--preset takes .*; did you mean cifar10"),
        ("train", "--dim 10 --num-heads 4", "--dim 10 must be a multiple of --num-heads 4"),
        ("train", "--num-heads 3", "--dim 64 must be a multiple of --num-heads 3"),
        ("train", "--mlp-ratio 0.01", "--mlp-ratio 0.01 leaves nothing of --dim 64"),
        (
            "train",
            "--model vit --image-size 30 --patch-size 4",
            "--image-size 30 must be a multiple of --patch-size 4",
        ),
        ("train", "--start none", "there is no run none"),
        ("predict", "", "--input is missing; --help lists every flag"),
    )
    bad_lines = (
        ('{"file_name": "train-0.png"}', "field 'label' is missing"),
        ('{"label": "a"}', "field 'file_name' is missing"),
        ('{"file_name": "train-0.png", "label": {}}', "'label' must be a text, not an object"),
        ('{"file_name": "train-0.png", "label": ""}', "field 'label' is empty"),
    )

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_a_number_out_of_range_for_a_finished_run(self, refuse, trained, command):
        asked = self.asked if command == "predict" else {}
        line = refuse(command, run=trained.run, batch_size=0, **asked)
        assert line == "error: --batch-size must be at least 1, not 0"

    @pytest.mark.parametrize("content", ["{", None])
    def test_damaged_names(self, refuse, copied, content):
        path = copied / "labels.json"
        path.unlink() if content is None else path.write_text(content)
        assert refuse("evaluate", run=copied).startswith(f"error: {path} cannot be read")

    def test_names_of_another_model(self, refuse, copied):
        (copied / "labels.json").write_text('["cat", "dog"]')
        line = refuse("predict", run=copied, **self.asked)
        assert line.startswith(f"error: the files of {copied} do not belong together: there are 2 ")

    def test_a_tensorflow_data_set_of_something_else(self, refuse):
        line = refuse("train", dataset="tfds:imdb_reviews")
        assert "tfds:imdb_reviews has nothing for the field 'file_name'" in line

    def test_a_folder_without_images(self, refuse, tmp_path):
        (tmp_path / "other" / "train" / "cat").mkdir(parents=True)
        line = refuse("train", dataset=tmp_path / "other")
        assert line.startswith(f"error: {tmp_path / 'other'} has no train.jsonl: expected ")
        assert "Found: train/." in line

    def test_too_few_to_cut_from(self, refuse, tmp_path):
        folder = tiny.write_classes(tmp_path / "other", {"red": 1, "green": 1})
        line = refuse("train", dataset=folder)
        assert line == f"error: {folder}: too few lines in train to cut a validation split from it"

    def test_no_readable_image(self, refuse, folder):
        for path in folder.glob("*.png"):
            path.write_text("no image")
        line = refuse("train", dataset=folder)
        path = folder / "train-0.png"
        assert line == f"error: {path}: not in a format that Pillow reads (and so all 12)"

    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_no_readable_image_to_evaluate(self, refuse, folder, split):
        tiny.write_lines(folder, ["a"], split=split)
        path = folder / f"{split}-0.png"
        path.write_text("no image")
        line = refuse("train", dataset=folder)
        assert line == f"error: {path}: not in a format that Pillow reads"

    def test_one_class(self, refuse, tmp_path):
        folder = tiny.write_classes(tmp_path / "other", {"red": 9})
        line = refuse("train", dataset=folder)
        assert line == "error: all training images have the label 'red': there is no choice"

    def test_a_label_unknown_to_training(self, refuse, folder):
        tiny.write_lines(folder, ["a", "zebra", "zebra"], split="test")
        assert refuse("train", dataset=folder) == (
            f"error: test images: 2 of 3 left out, the first is {folder / 'test-1.png'} (no "
            "training image has the label 'zebra': 2); --max-skipped 0.67 would allow it"
        )

    def test_a_label_unknown_to_the_run(self, refuse, copied, folder):
        line = refuse("evaluate", run=copied, dataset=folder)
        assert "no training image has the label 'a'" in line
