"""The labels of texts: none, one or several each, and those that training does not know."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from pipelines.commands.terminal import console

MOST = 5  # that a line names


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


def named(labels: Sequence[str], names: Sequence[str]) -> list[str]:
    """Returns names in place of labels that are all numbers, counted from 0 or, as of AG News, 1.

    Args:
        labels: One for each example.
        names: What the numbers stand for, in their order.
    """
    if not labels or not all(label.isascii() and label.isdecimal() for label in labels):
        return list(labels)
    numbers = list(map(int, labels))
    first = 1 if min(numbers) > 0 and max(numbers) == len(names) else 0
    if max(numbers) - first >= len(names):
        return list(labels)
    return [names[number - first] for number in numbers]
