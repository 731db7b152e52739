"""The labels of texts: none, one or several each, and those that training does not know."""

from collections import Counter
from collections.abc import Collection, Iterable

from pipelines.commands.terminal import console

MOST = 5  # that a line names


def complaint(row: dict) -> str | None:
    """Returns what is wrong with the `label` of a line, or None; a list of texts may be empty."""
    if "label" not in row:
        return "field 'label' is missing"
    texts = row["label"] if isinstance(row["label"], list) else [row["label"]]
    if all(isinstance(text, str) and text.strip() for text in texts):
        return None
    return "field 'label' must be a text or a list of texts, none of them empty"


def report_unknown(labels: Iterable[str], known: Collection[str], split: str) -> int:
    """Names the labels that no model of the known ones can give, in one line if there are any.

    To leave their examples out would flatter the score: they count as wrong.

    Args:
        labels: One for each example or entity of a split.
        known: Those of the training examples.
        split: What the line calls the split.

    Returns:
        How many labels are unknown.
    """
    known = set(known)
    unknown = Counter(label for label in labels if label not in known)
    if unknown:
        some = ", ".join(f"'{label}' ({count:,})" for label, count in unknown.most_common(MOST))
        console.print(
            f"{split} has labels that training does not know: {some}"
            f"{', …' if len(unknown) > MOST else ''}; they count as wrong"
        )
    return unknown.total()
