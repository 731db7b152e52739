import pytest

from pipelines.commands.errors import UserError
from pipelines.data import splits
from pipelines.data.splits import SPLITS, cut_missing, read_wanted

ROWS = [{"file_name": f"{i}.png"} for i in range(20)]


def readers(*there):
    """What reads so many rows of each split, and a list of what was read."""
    seen = []

    def reader(split):
        return lambda: seen.append(split) or list(ROWS)

    return {split: reader(split) for split in there}, seen


class TestReadWanted:
    @pytest.mark.parametrize(
        ("there", "wanted", "read"),
        [
            (SPLITS, ["test"], ["test"]),
            (SPLITS, ["test", "train"], ["test", "train"]),
            (["train", "test"], ["test"], ["test"]),
            (["train", "test"], ["train"], ["train", "test"]),
            (["train", "test"], ["validation"], ["train", "test"]),
            (["train"], ["test"], ["train"]),
        ],
    )
    def test_nothing_is_read_in_vain(self, there, wanted, read):
        given, seen = readers(*there)
        found = read_wanted(given, wanted, "here")
        assert seen == read and list(found) == wanted

    def test_what_is_of_no_use_is_left_out_before_the_cut(self):
        def sift(rows):
            return rows[::2]

        given, _ = readers("train", "test")
        found = read_wanted(given, SPLITS, "here", sift=sift)
        assert sorted(map(str, found["train"] + found["validation"])) == sorted(map(str, ROWS[::2]))
        assert len(found["validation"]) == 1 and found["test"] == ROWS
        assert read_wanted(given, ["test"], "here", sift=sift) == {"test": ROWS}
        given, _ = readers(*SPLITS)
        assert read_wanted(given, ["train"], "here", sift=sift) == {"train": ROWS}


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
