"""Labelled images as public data sets hold them."""

from types import SimpleNamespace

import pytest

from pipelines.commands.errors import UserError
from pipelines.data import sources
from tests.strangers.trees import VISION, read, write


def files(*patterns):
    """`a/{0,1}.jpg` for each pattern `a/*.jpg`."""
    return [pattern.replace("*", str(n)) for pattern in patterns for n in range(2)]


def labels(folder):
    splits, reasons = read(folder, VISION)
    assert reasons == []
    return {split: sorted({label for _, label in rows}) for split, rows in splits.items()}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        # Intel: each archive's folder holds itself.
        (
            [
                "seg_train/seg_train/sea/*.jpg",
                "seg_train/seg_train/street/*.jpg",
                "seg_test/seg_test/sea/*.jpg",
                "seg_pred/seg_pred/*.jpg",
            ],
            {"train": ["sea", "street"], "test": ["sea"]},
        ),
        # Brain tumours.
        (
            ["Training/glioma/*.jpg", "Training/notumor/*.jpg", "Testing/glioma/*.jpg"],
            {"train": ["glioma", "notumor"], "test": ["glioma"]},
        ),
        # Chest X-rays, with what macOS adds.
        (
            [
                "chest_xray/TRAIN/NORMAL/*.JPEG",
                "chest_xray/TRAIN/PNEUMONIA/*.jpeg",
                "chest_xray/Val/NORMAL/*.jpeg",
                "chest_xray/test/NORMAL/*.jpeg",
                "__MACOSX/chest_xray/TRAIN/NORMAL/._*.jpeg",
            ],
            {"train": ["NORMAL", "PNEUMONIA"], "validation": ["NORMAL"], "test": ["NORMAL"]},
        ),
        # Cats and dogs of the Keras courses.
        (
            [
                "training_set/training_set/cats/*.jpg",
                "training_set/training_set/dogs/*.jpg",
                "test_set/test_set/dogs/*.jpg",
            ],
            {"train": ["cats", "dogs"], "test": ["dogs"]},
        ),
        # Stanford dogs, CUB, Caltech-101: the only folder with images holds the classes.
        (
            [
                "Images/n02085620-Chihuahua/*.jpg",
                "Images/n02085782-Japanese_spaniel/*.jpg",
                "Annotation/n02085620-Chihuahua/n*",
            ],
            {"train": ["n02085620-Chihuahua", "n02085782-Japanese_spaniel"]},
        ),
        # A class called train is no split.
        (["bus/*.png", "train/*.png", "plane/*.png"], {"train": ["bus", "plane", "train"]}),
        # Tiny ImageNet: images in a folder of each class.
        (
            ["train/n01/images/n01_*.JPEG", "train/n02/images/n02_*.JPEG", "val/n01/*.JPEG"],
            {"train": ["n01", "n02"], "validation": ["n01"]},
        ),
        # One class for training, deep.
        (
            ["train/good/*.png", "test/good/*.png", "test/broken/*.png"],
            {"train": ["good"], "test": ["broken", "good"]},
        ),
    ],
    ids=["intel", "tumours", "xrays", "cats", "dogs", "train", "tiny", "one"],
)
def test_folders_of_classes(tmp_path, patterns, expected):
    assert labels(write(tmp_path, files(*patterns))) == expected


@pytest.mark.parametrize(
    "patterns",
    [
        ["PlantVillage/color/a/*.jpg", "PlantVillage/grayscale/a/*.jpg"],
        ["Train/a/*.jpg", "Train/b/*.jpg", "Fold2/a/*.jpg"],
    ][:1],
)
def test_folders_of_folders_are_no_classes(tmp_path, patterns):
    write(tmp_path, files(*patterns))
    with pytest.raises(
        UserError, match=r"PlantVillage: color/, grayscale/ hold folders of files, so"
    ):
        read(tmp_path, VISION)


def test_food_101_lists_its_splits(tmp_path):
    write(tmp_path, files("food-101/images/pie/1*.jpg", "food-101/images/soup/2*.jpg"))
    write(
        tmp_path,
        {
            "food-101/meta/train.txt": "pie/10\nsoup/20\n",
            "food-101/meta/test.txt": "pie/11\nsoup/21\n",
            "food-101/meta/classes.txt": "pie\nsoup\n",
        },
    )
    splits, _ = read(tmp_path, VISION)
    assert splits == {
        "train": [("food-101/images/pie/10.jpg", "pie"), ("food-101/images/soup/20.jpg", "soup")],
        "test": [("food-101/images/pie/11.jpg", "pie"), ("food-101/images/soup/21.jpg", "soup")],
    }


@pytest.mark.parametrize(
    ("table", "names"),
    [
        # Kaggle: labels by identifier, images in train, others in test.
        ({"labels.csv": "id,breed\n0,pug\n1,husky\n"}, ["train/*.jpg", "test/*.jpg"]),
        (
            {
                "train.csv": "image_id,label\n0.jpg,pug\n1.jpg,husky\n",
                "sample_submission.csv": "image_id,label\n9.jpg,pug\n",
            },
            ["train/*.jpg", "test/*.jpg"],
        ),
        (
            {"train.csv": "id_code,diagnosis\n0,pug\n1,husky\n", "test.csv": "id_code\n0\n"},
            ["train/*.png", "test/*.png"],
        ),
        (
            {"train.csv": "image,label\ntrain\\0.png,pug\nC:\\Data\\train\\1.png,husky\n"},
            ["train/*.png"],
        ),
        (
            {
                "train.csv": "filepath,class\n/kaggle/input/pets/train/0.png,pug\n"
                "/kaggle/input/pets/train/1.png,husky\n"
            },
            ["train/*.png", "test/*.png"],
        ),
        (
            {
                "metadata.jsonl": '{"file_name": "train/0.png", "label": "pug"}\n'
                '{"file_name": "train/1.png", "label": "husky"}\n'
            },
            ["train/*.png"],
        ),
        ({"train/metadata.csv": "file_name,label\n0.png,pug\n1.png,husky\n"}, ["train/*.png"]),
    ],
    ids=["breed", "cassava", "aptos", "windows", "absolute", "hf", "hf-folder"],
)
def test_a_table_beside_images(tmp_path, table, names):
    write(write(tmp_path, files(*names)), table)
    end = names[0][-4:]
    splits, reasons = read(tmp_path, VISION)
    assert splits == {"train": [(f"train/0{end}", "pug"), (f"train/1{end}", "husky")]}
    assert reasons == []


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("lesion_id,image_id,dx", "H1,{0},pug\nH2,{1},husky\n"),
        ("Image Index,Finding Labels,Age", "{0}.png,pug,3\n{1}.png,husky,4\n"),
        ("Width,ClassId,Path", "27,pug,part_1/{0}.png\n26,husky,part_2/{1}.png\n"),
    ],
    ids=["ham10000", "chest-xray", "gtsrb"],
)
def test_a_table_names_what_lies_in_several_folders(tmp_path, head, rows):
    write(
        tmp_path,
        {"a.csv": f"{head}\n{rows.format(0, 1)}", "part_1/0.png": None, "part_2/1.png": None},
    )
    assert read(tmp_path, VISION)[0] == {
        "train": [("part_1/0.png", "pug"), ("part_2/1.png", "husky")]
    }


def test_a_table_that_names_images_but_no_label_is_not_ignored(tmp_path):
    write(tmp_path, {"a.csv": "image,age\n0,7\n1,9\n", "part_1/0.png": None, "part_2/1.png": None})
    with pytest.raises(UserError) as caught:
        read(tmp_path, VISION)
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'} has no column for 'label' (looked")
    end = "its columns are image, age; without it the folders would be taken for classes"
    assert str(caught.value).endswith(end)


def test_another_table_is_named(tmp_path, capsys):
    write(tmp_path, {"cars.csv": "make,year\nx,7\n", "a/0.png": None, "b/1.png": None})
    assert labels(tmp_path) == {"train": ["a", "b"]}
    assert "cars.csv is not used: it has no 'file_name'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "split"),
    [
        (["test/a/0.png", "test/b/1.png"], "test"),
        ({"val.csv": "image,label\n0.png,a\n", "x/0.png": None}, "validation"),
        ({"test.jsonl": '{"file_name": "0.png", "label": "a"}', "0.png": None}, "test"),
    ],
)
def test_a_split_to_evaluate_on_may_come_alone(tmp_path, files, split):
    write(tmp_path, files)
    assert list(read(tmp_path, VISION)[0]) == [split]
    config = SimpleNamespace(dataset=str(tmp_path), data_dir=None)
    assert list(sources.read(VISION, config, [split])) == [split]
    with pytest.raises(UserError, match=rf"training examples in another form: {split} alone$"):
        sources.read(VISION, config, ["train"])
