from pipelines.data.formats import kept_records


def test_records_are_given_split_by_split():
    records = [
        ("test", "a:1", {"text": "é"}),
        ("train", "a:2", ValueError("not JSON")),
        ("train", "a:3", [1]),
        ("test", "a:4", None),
    ]
    parts = kept_records.by_split(iter(records))
    assert [*parts] == ["test", "train"]
    assert list(parts["test"]()) == [("a:1", {"text": "é"}), ("a:4", None)]
    (where, error), other = parts["train"]()
    assert (where, type(error), str(error)) == ("a:2", ValueError, "not JSON")
    assert other == ("a:3", [1]) and len(list(parts["train"]())) == 2
    assert kept_records.by_split([]) == {}
