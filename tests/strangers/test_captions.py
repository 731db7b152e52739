"""Images and captions as public data sets hold them."""

import pytest

from pipelines.commands.errors import UserError
from tests.strangers.trees import CAPTIONING, read, write

TOKENS = "1.jpg#0\ta dog\n1.jpg#1\ta brown dog\n2.jpg#0\ttwo boys, who run\n"
ONE, TWO = ["a dog", "a brown dog"], ["two boys, who run"]


def captions_of(images, *captions):
    """JSON as of COCO, of images and (image's number, caption)."""
    return {
        "info": {},
        "images": [{"id": 7 + n, "file_name": name} for n, name in enumerate(images)],
        "annotations": [
            {"image_id": 7 + n, "id": 90 + k, "caption": text}
            for k, (n, text) in enumerate(captions)
        ],
    }


THREE = [(0, ONE[0]), (1, TWO[0]), (0, ONE[1])]


@pytest.mark.parametrize(
    "files",
    [
        {
            "captions.txt": "image,caption\n1.jpg,a dog\n1.jpg,a brown dog\n"
            '2.jpg,"two boys, who run"\n'
        },
        {
            "captions.txt": "image,caption\n1.jpg,a dog\n1.jpg,a brown dog\n"
            "2.jpg,two boys, who run\n"
        },
        {
            "results.csv": "image_name| comment_number| comment\n1.jpg| 0| a dog\n"
            "1.jpg| 1| a brown dog\n2.jpg| 0| two boys, who run\n"
        },
        {
            "Flickr8k.token.txt": TOKENS,
            "Flickr8k.lemma.token.txt": "1.jpg#0\tdog\n",
        },
        {"results_20130124.token": TOKENS},
        {
            "flickr_annotations.csv": "raw,sentids,filename\n"
            '"[""a dog"", ""a brown dog""]","[0]",1.jpg\n'
            '"[""two boys, who run""]","[0]",2.jpg\n'
        },
        {
            "annotations.csv": "image;captions\n1.jpg;['a dog' 'a brown dog']\n"
            "2.jpg;['two boys, who run']\n"
        },
        {
            "metadata.jsonl": '{"file_name": "1.jpg", "text": "a dog"}\n'
            '{"file_name": "1.jpg", "text": "a brown dog"}\n'
            '{"file_name": "2.jpg", "text": "two boys, who run"}'
        },
        {"captions.json": {"1.jpg": {"captions": ONE}, "2.jpg": {"captions": TWO}}},
        {"captions.json": [{"image_id": "1", "caption": ONE}, {"image_id": "2", "caption": TWO}]},
        {
            "annotations/captions_train2017.json": captions_of(["1.jpg", "2.jpg"], *THREE),
            "annotations/instances_train2017.json": "not read",
        },
        {"annotations/train.json": captions_of(["1.jpg", "2.jpg"], *THREE)},
        {
            "dataset_flickr8k.json": {
                "images": [
                    {
                        "filename": "1.jpg",
                        "split": "train",
                        "sentences": [{"raw": text} for text in ONE],
                    },
                    {
                        "filename": "2.jpg",
                        "split": "restval",
                        "sentences": [{"raw": text} for text in TWO],
                    },
                ]
            }
        },
        {
            "flickr8k/captions.csv": "image\tcaption\n1.jpg\ta dog\n1.jpg\ta brown dog\n"
            "2.jpg\ttwo boys, who run\n"
        },
        {"captions/1.txt": "a dog\na brown dog\n", "captions/2.txt": "two boys, who run\n"},
        {"Images/1.txt": "a dog\na brown dog\n", "Images/2.txt": "two boys, who run\n"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_all_captions_of_an_image_are_one_example(tmp_path, files):
    root = "flickr8k/Images" if "flickr8k/captions.csv" in files else "Images"
    write(write(tmp_path, [f"{root}/1.jpg", f"{root}/2.jpg"]), files)
    splits, reasons = read(tmp_path, CAPTIONING)
    assert splits == {"train": [(f"{root}/1.jpg", ONE), (f"{root}/2.jpg", TWO)]}
    assert reasons == []


@pytest.mark.parametrize(
    "files",
    [
        # VizWiz.
        {
            "annotations/train.json": captions_of(["a.jpg"], (0, "one")),
            "annotations/val.json": captions_of(["b.jpg"], (0, "two")),
        },
        {
            "annotations/captions_train2014.json": captions_of(["a.jpg"], (0, "one")),
            "annotations/captions_val2014.json": captions_of(["b.jpg"], (0, "two")),
        },
        # TextCaps.
        {
            "TextCaps_0.1_train.json": {
                "data": [{"image_id": "a", "caption_str": "one", "image_name": "a"}]
            },
            "TextCaps_0.1_val.json": {
                "data": [{"image_id": "b", "caption_str": "two", "image_name": "b"}]
            },
        },
        {
            "dataset_coco.json": {
                "images": [
                    {
                        "filepath": "train",
                        "filename": "a.jpg",
                        "split": "train",
                        "sentences": [{"raw": "one"}],
                    },
                    {
                        "filepath": "val",
                        "filename": "b.jpg",
                        "split": "val",
                        "sentences": [{"raw": "two"}],
                    },
                ]
            }
        },
        # Flickr8k's lists.
        {
            "text/Flickr8k.token.txt": "a.jpg#0\tone\nb.jpg#0\ttwo\nc.jpg#0\tthree\n",
            "text/Flickr_8k.trainImages.txt": "a.jpg\n",
            "text/Flickr_8k.devImages.txt": "b.jpg\n",
        },
        {
            "train/metadata.csv": "file_name,text\na.jpg,one\n",
            "val/metadata.csv": "file_name,text\nb.jpg,two\n",
        },
        {"all.csv": "split,caption,image\ntrain,one,a.jpg\nval,two,b.jpg\n"},
        {
            "all.json": {
                "train": [{"image": "a.jpg", "caption": "one"}],
                "val": [{"image": "b.jpg", "caption": "two"}],
            }
        },
        {
            "captions_train.tsv": "image\tcaption\na.jpg\tone\n",
            "captions_val.tsv": "image\tcaption\nb.jpg\ttwo\n",
        },
        {"train/a.txt": "one", "val/b.txt": "two"},
    ],
    ids=[
        "vizwiz",
        "coco",
        "textcaps",
        "karpathy",
        "flickr8k",
        "hf",
        "column",
        "json",
        "tsv",
        "beside",
    ],
)
def test_splits(tmp_path, files):
    write(write(tmp_path, ["train/a.jpg", "val/b.jpg"]), files)
    splits, reasons = read(tmp_path, CAPTIONING)
    assert splits == {"train": [("train/a.jpg", ["one"])], "validation": [("val/b.jpg", ["two"])]}
    assert reasons == []


def test_the_row_of_flickr30k_without_its_columns_is_counted(tmp_path):
    good = "".join(f"1.jpg| {n}| text {n}\n" for n in range(5))
    table = f"image_name| comment_number| comment\n{good}2.jpg| 4   A dog runs .\n"
    write(tmp_path, {"results.csv": table, "images/1.jpg": None, "images/2.jpg": None})
    splits, reasons = read(tmp_path, CAPTIONING)
    assert splits["train"] == [("images/1.jpg", [f"text {n}" for n in range(5)])]
    assert reasons == ["not as many columns as the header, 3"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            ["Images/a.jpg"],
            "Found: Images/. See README, 'Your own data'. It holds images, but nothing that "
            "tells their captions: add metadata.csv with the columns file_name and captions.",
        ),
        (
            {"captions.csv": "photo,title\na.jpg,one\n", "a.jpg": None},
            "captions.csv has no column for 'file_name' (looked for",
        ),
        ({"train.tsv": "a dog\thttp://x/1.jpg\n"}, "train.tsv has no column for 'file_name'"),
        (["Images.zip"], "Images.zip is packed: unpack it first"),
        (
            {
                "a.csv": "image,caption\n1.jpg,one\n",
                "b.csv": "image,caption\n1.jpg,one\n",
                "1.jpg": None,
            },
            "each of a.csv, b.csv holds examples: give one of them as --dataset",
        ),
        ({"train.jsonl": '{"file_name": "a.jpg"}'}, "train.jsonl:1: field 'captions' is missing"),
        (["clips/a.wav"], "It holds audio files: another application is for them."),
    ],
)
def test_what_is_refused(tmp_path, files, said):
    write(tmp_path, files)
    with pytest.raises(UserError) as caught:
        read(tmp_path, CAPTIONING)
    assert said in str(caught.value)
