"""What is left out of a data set: counted by reason, told in one line, named in a file of the run.

Nothing is dropped uncounted, and no data set is refused for a single example; many end the command.
Of very many the first are named, and the others counted.
"""

from collections import Counter
from pathlib import Path

from pipelines.commands.errors import UserError
from pipelines.commands.terminal import console

MOST = 0.05
SHOWN = 3  # reasons that a line names
NAMED = 10_000  # examples of a split


class _Ledger:
    """All that this process has left out so far, and the share that is allowed."""

    def __init__(self):
        self.most, self.entries = MOST, {}


_ledger = _Ledger()


def begin(most: float | None = None) -> None:
    """Forgets what was left out before; from here on a share of `most` ends the command."""
    _ledger.most, _ledger.entries = MOST if most is None else most, {}


def rows() -> list[dict]:
    """Returns what was left out: of each example its split, its place and the reason.

    Of more than `NAMED` in a split the last row counts those that are not named.
    """
    return [
        {"split": what, "where": where, "reason": reason}
        for what, entries in _ledger.entries.items()
        for where, reason in entries
    ]


class Tally:
    """Counts what is left out of some examples.

    Args:
        what: What a line calls the examples, such as "train".
    """

    def __init__(self, what: str):
        self.what = what
        self._entries: list[tuple[str, str]] = []
        self._counts: Counter[str] = Counter()

    def __len__(self):
        return self._counts.total()

    def add(self, reason: str, where: str | Path) -> None:
        """Leaves out one example.

        Args:
            reason: Why, as a few words that fit many: "'label' is empty".
            where: Which one: "train.csv:7", or the path of a file.
        """
        if len(self._entries) < NAMED:
            self._entries.append((str(where), reason))
        elif reason not in self._counts:  # What differs from line to line would be without end.
            reason = "for other reasons"
        self._counts[reason] += 1

    def close(self, kept: int) -> None:
        """Tells in a line what was left out, and keeps it for `rows`.

        Args:
            kept: How many examples remain.

        Raises:
            UserError: None remains; or more than one was left out, and a larger share than allowed.
        """
        if not self._entries:
            return
        total, (where, reason) = kept + len(self), self._entries[0]
        if not kept:
            raise UserError(
                f"{where}: {reason}" + (f" (and so all {total:,})" if total > 1 else "")
            )
        counts = self._counts.most_common()
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in counts[:SHOWN])
        reasons += "; …" if len(counts) > SHOWN else ""
        found = f"{self.what}: {len(self):,} of {total:,} left out, the first is {where}"
        line = f"{found} ({reasons})"
        if len(self) > max(1, _ledger.most * total):
            raise UserError(f"{line}; --max-skipped {_share(len(self) / total)} would allow it")
        named = _ledger.entries.setdefault(self.what, [])
        named += self._entries
        if others := len(self) - len(self._entries):
            named.append((f"{others:,} others", "not named"))
        console.print(f"{line}; {kept:,} remain")


def _share(share: float) -> str:
    """A share of two decimals that is not below it."""
    return f"{-(-share * 100 // 1) / 100:g}"
