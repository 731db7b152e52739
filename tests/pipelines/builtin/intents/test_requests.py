"""Named entities: the slots of requests are new names, which a dictionary does not tell."""

from collections import Counter, defaultdict

from pipelines.data import tags

NAMED = {"person", "city", "artist", "song", "product"}


def entities(row):
    found, place = [], 0
    while place < len(row["tags"]):
        end, kind = place + 1, row["tags"][place][2:]
        while kind and end < len(row["tags"]) and row["tags"][end] == f"I-{kind}":
            end += 1
        if kind:
            found.append((place, end, kind))
        place = end
    return found


class TestNer:
    def test_tags_are_bio_and_of_seven_types(self, sets, capsys):
        for rows in sets["ner"].values():
            assert all(len(row["tokens"]) == len(row["tags"]) for row in rows)
            assert [*tags.to_bio(rows, "here")] == rows
            kinds = Counter(kind for row in rows for _, _, kind in entities(row))
            assert set(kinds) == NAMED | {"date", "time"}
            assert min(kinds.values()) > 0.05 * sum(kinds.values())
        assert capsys.readouterr().out == ""

    def test_the_names_of_slots_are_new(self, sets):
        seen = {token.lower() for row in sets["ner"]["train"] for token in row["tokens"]}
        for row in sets["ner"]["test"]:
            for start, end, kind in entities(row):
                new = [token for token in row["tokens"][start:end] if token.lower() not in seen]
                assert bool(new) if kind in NAMED else all(":" in token for token in new)

    def test_no_name_is_a_word_of_the_requests(self, sets):
        rows = [row for split in sets["ner"].values() for row in split]
        plain = {
            token.lower()
            for row in rows
            for token, tag in zip(row["tokens"], row["tags"], strict=True)
            if tag == "O"
        }
        names = {
            row["tokens"][start].lower()
            for row in rows
            for start, _, kind in entities(row)
            if kind in NAMED
        }
        # Which leaves the first words of "The ...", "New ..." and "Call Me ...".
        assert plain & names == {"the", "new", "call"}

    def test_a_dictionary_of_words_does_not_tell(self, sets):
        known = defaultdict(Counter)
        for row in sets["ner"]["train"]:
            for token, tag in zip(row["tokens"], row["tags"], strict=True):
                known[token.lower()][tag] += 1
        right = there = said = 0
        for row in sets["ner"]["test"]:
            guess = [
                known[token.lower()].most_common(1)[0][0] if token.lower() in known else "O"
                for token in row["tokens"]
            ]
            guess = next(tags.to_bio([{"tags": guess}], "guess"))
            right += len(set(entities(guess)) & set(entities(row)))
            there, said = there + len(entities(row)), said + len(entities(guess))
        assert 2 * right / (there + said) < 0.4

    def test_what_comes_before_a_slot_does_not_tell_its_type(self, sets):
        kinds = defaultdict(set)
        for row in sets["ner"]["train"]:
            start, _, kind = entities(row)[0] if entities(row) else (0, 0, "")
            kinds[" ".join(row["tokens"][:start]).lower()].add(kind)
        for opening in ("", "look up", "have you heard of"):
            assert kinds[opening] >= NAMED
