"""The lines of the three data sets, and the words in them."""

import json
import re

SIZES = {"train": 6_000, "validation": 600, "test": 1_000}
TEXTS = {
    "sentiment": lambda row: row["text"],
    "ner": lambda row: " ".join(row["tokens"]),
    "qa": lambda row: f"{row['context']} {row['question']}",
}


def read(folder):
    texts = {split: (folder / f"{split}.jsonl").read_text(encoding="utf-8") for split in SIZES}
    return {
        split: [json.loads(line) for line in text.splitlines()] for split, text in texts.items()
    }


def words(rows, task):
    return {word for row in rows for word in re.findall(r"\w+", TEXTS[task](row).casefold())}
