import pytest

from pipelines.commands.errors import UserError
from pipelines.data import splits
from pipelines.data.split_names import SPLITS, split_of
from pipelines.data.splits import by_bytes, by_text, separate

ROWS = [{"file_name": f"{i}.png"} for i in range(20)]


def by_name(rows):
    return [row.get("file_name", str(row)) for row in rows]


def cut_missing(rows, name, identity=by_name, **options):
    return splits.cut_missing(rows, name, identity=identity, **options)


def read_wanted(given, wanted, identity=by_name, **options):
    return splits.read_wanted(given, wanted, "here", identity=identity, **options)


@pytest.mark.parametrize(
    ("split", "names"),
    [
        (
            "train",
            "train Training TRAIN seg_train train2017 training_set trn restval "
            "train-00000-of-00001",
        ),
        (
            "train",
            "TrainingData us_train_data_final TextCaps_0.1_train train-clean-100 "
            "trainset 20news-bydate-train",
        ),
        (
            "validation",
            "validation valid val dev Val2014 dev-other eval_set mnist.valid development isic_val",
        ),
        (
            "test",
            "test Testing tst test2015 seg_test test_images tst-COMMON twitter-2016test testset",
        ),
        (
            None,
            "newstest2013 latest trainer contest devices value train_test "
            "train-dev-split cat 2 data",
        ),
    ],
)
def test_the_split_that_a_name_tells(split, names):
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


def readers(**sizes):
    """What reads so many rows of each split, none of which another has, and what was read."""
    seen, start, given = [], 0, {}
    for split, size in sizes.items():
        rows = [{"file_name": f"{n}.png"} for n in range(start, start + size)]
        given[split] = lambda split=split, rows=rows: seen.append(split) or list(rows)
        start += size
    return given, seen


class TestReadWanted:
    @pytest.mark.parametrize(
        ("there", "wanted", "read"),
        [
            (SPLITS, ["test"], ["test"]),
            # Nothing that a later split holds stays in one before.
            (SPLITS, ["test", "train"], [*SPLITS]),
            (SPLITS, ["validation"], ["validation", "test"]),
            (["train", "test"], ["test"], ["test"]),
            (["train", "test"], ["train"], ["train", "test"]),
            (["train", "test"], ["validation"], ["train", "test"]),
            (["train"], ["test"], ["train"]),
        ],
    )
    def test_nothing_is_read_in_vain(self, there, wanted, read):
        given, seen = readers(**dict.fromkeys(there, 20))
        found = read_wanted(given, wanted)
        assert seen == read and list(found) == wanted

    def test_a_split_is_the_same_whatever_is_wanted(self):
        given, _ = readers(train=53, test=7)
        whole = read_wanted(given, SPLITS)
        assert {split: len(rows) for split, rows in whole.items()} == {
            "train": 48,
            "validation": 5,
            "test": 7,
        }
        for split, rows in whole.items():
            assert read_wanted(given, [split]) == {split: rows}

    def test_what_is_of_no_use_is_left_out_before_the_cut(self):
        def sift(rows):
            return rows[::2]

        given, _ = readers(train=20, test=5)
        found = read_wanted(given, SPLITS, sift=sift)
        every_other = given["train"]()[::2]
        both = [*found["train"], *found["validation"]]
        assert sorted(map(str, both)) == sorted(map(str, every_other))
        assert len(found["validation"]) == 1 and found["test"] == given["test"]()
        assert read_wanted(given, ["test"], sift=sift) == {"test": given["test"]()}
        given, _ = readers(train=20, validation=3, test=5)
        assert read_wanted(given, ["train"], sift=sift) == {"train": given["train"]()}

    def test_what_is_cut_shares_nothing_with_what_is_there(self, capsys):
        given = {"train": lambda: [*ROWS], "test": lambda: ROWS[:5]}
        found = read_wanted(given, SPLITS)
        names = [set(by_name(found[split])) for split in SPLITS]
        assert [len(each) for each in names] == [13, 2, 5] and len(set.union(*names)) == 20
        assert "here: 5 of train left out, equal to some of test" in capsys.readouterr().out


class TestCutMissing:
    def test_a_tenth_for_each_whatever_the_order(self, capsys):
        rows = [{"file_name": f"{n}.png"} for n in range(40)]
        one, two = (cut_missing({"train": some}, "here") for some in (rows, rows[::-1]))
        assert [len(one[split]) for split in SPLITS] == [32, 4, 4]
        for split in SPLITS:
            assert sorted(by_name(one[split])) == sorted(by_name(two[split]))
        assert sorted(name for some in one.values() for name in by_name(some)) == sorted(
            by_name(rows)
        )
        said = "validation (4 lines) and test (4 lines) cut from train by a fixed seed\n"
        assert capsys.readouterr().out == said * 2

    def test_equal_examples_stay_together(self):
        rows = [{"text": f"{n // 2} ", "n": n} for n in range(40)]
        found = cut_missing({"train": rows}, "here", identity=by_text("text"))
        texts = [{row["text"] for row in found[split]} for split in SPLITS]
        assert [len(each) for each in texts] == [16, 2, 2] and len(set.union(*texts)) == 20

    @pytest.mark.parametrize(("count", "is_enough"), [(3, True), (2, False)])
    def test_too_few_lines(self, count, is_enough):
        if is_enough:
            assert [len(rows) for rows in cut_missing({"train": ROWS[:3]}, "here").values()] == [
                1
            ] * 3
            return
        with pytest.raises(
            UserError, match=r"^here: too few lines in train to cut a test split from"
        ):
            cut_missing({"train": ROWS[:count]}, "here")


class TestSeparate:
    def test_a_later_split_keeps_what_two_hold(self, capsys):
        rows = {
            "train": [{"text": text} for text in ("a", "b", "c  d", "e")],
            "validation": [{"text": text} for text in ("b", "f", "e\n")],
            "test": [{"text": "c d"}, {"text": "f"}],
        }
        found = separate(rows, "here", by_text("text"))
        assert {split: [row["text"] for row in some] for split, some in found.items()} == {
            "train": ["a"],
            "validation": ["b", "e\n"],
            "test": ["c d", "f"],
        }
        assert capsys.readouterr().out == (
            "here: 3 of train left out, equal to some of validation or test\n"
            "here: 1 of validation left out, equal to some of test\n"
        )

    def test_a_split_of_which_nothing_would_remain_stays(self, capsys):
        rows = {"train": ROWS[:3], "test": ROWS}
        assert separate(rows, "here", by_name) == rows
        said = "here: all of train stands in test as well: what is measured there says nothing"
        assert said in capsys.readouterr().out

    def test_one_split_is_equal_to_no_other(self):
        assert separate({"test": ROWS}, "here", lambda rows: 1 / 0) == {"test": ROWS}


def test_texts_are_equal_whatever_their_white_space_and_composition():
    rows = [
        {"a": "caf\u00e9  x", "b": ["1", "2"]},
        {"a": "cafe\u0301 x\n", "b": "1 2"},
        {"a": "x", "b": "1"},
    ]
    one, two, three = by_text("a", "b")(rows)
    assert one == two != three


def test_files_are_equal_by_their_bytes(tmp_path):
    long = b"x" * 5_000
    contents = {
        "a": b"1",
        "b": b"1",
        "c": b"2",
        "d": b"33",
        "e": long + b"1",
        "f": long + b"2",
        "g": long + b"1",
        "h": b"",
        "i": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    names = [*contents, "missing", "other"]
    own = dict(zip(names, by_bytes([{"path": tmp_path / name} for name in names]), strict=True))
    same = [(x, y) for x in names for y in names if x < y and own[x] == own[y]]
    assert same == [("a", "b"), ("e", "g"), ("h", "i")]


def test_a_message_names_some_of_what_is_there(tmp_path):
    for name in "abcdefghij":
        (tmp_path / name).mkdir()
    found = "Found: a/, b/, c/, d/, e/, f/, g/, h/, …. See README, 'Your own data'."
    assert splits.what_is_there(tmp_path) == found
    assert splits.what_is_there(f"{tmp_path}/none").startswith("Found: nothing.")


class TestLabelsThatStay:
    @staticmethod
    def rows(**counts):
        names = [label for label, count in counts.items() for _ in range(count)]
        return [{"file_name": f"{i}.png", "label": label} for i, label in enumerate(names)]

    def test_every_label_keeps_a_line_in_train(self):
        rows = self.rows(common=30, **{f"rare_{i}": 1 for i in range(20)})
        rows_of = cut_missing({"train": rows}, "here", label="label")
        assert {row["label"] for row in rows_of["train"]} == {row["label"] for row in rows}
        assert [len(rows_of[split]) for split in SPLITS] == [40, 5, 5]
        cut = [row["label"] for split in SPLITS[1:] for row in rows_of[split]]
        assert set(cut) == {"common"}
        lost = cut_missing({"train": rows}, "here")["train"]
        assert {row["label"] for row in lost} < {row["label"] for row in rows}

    def test_lines_of_one_file_go_together_or_stay(self):
        rows = self.rows(common=3, rare=1)
        rows[0]["file_name"] = rows[3]["file_name"]
        rows_of = cut_missing({"train": rows, "test": rows[:1]}, "here", label="label")
        assert {row["label"] for row in rows_of["train"]} == {"common", "rare"}
        assert rows_of["test"] == rows[:1] and len(rows_of["validation"]) == 1

    def test_nothing_to_spare(self):
        rows = self.rows(a=1, b=1, c=1)
        with pytest.raises(UserError, match="here: too few lines in train to cut a validation"):
            cut_missing({"train": rows}, "here", label="label")

    def test_what_is_cut_may_go_by_another_field(self):
        rows = [{"context": str(n % 10), "label": ["a", "b"][: 1 + n % 2]} for n in range(40)]
        rows_of = cut_missing({"train": rows}, "here", label="label", content="context")
        contexts = [{row["context"] for row in split} for split in rows_of.values()]
        assert [len(found) for found in contexts] == [8, 1, 1]
        assert len(set.union(*contexts)) == 10

    def test_of_lists_of_labels_each_stays(self):
        rows = [{"n": n, "label": ["a", "b"]} for n in range(10)] + [{"n": 99, "label": ["c", "a"]}]
        rows_of = cut_missing({"train": rows}, "here", label="label")
        assert rows[-1] in rows_of["train"]
