"""What several processes decide at the same step, though each has its own clock and signals."""

import time

from pipelines.commands.cluster import processes

SECONDS = 1.0  # Between two times that they ask one another, about.
MOST = 64  # Steps between them.


class Agreement:
    """Asks for the wishes of all processes every few steps, at the same ones in each."""

    def __init__(self):
        self._left, self._steps, self._since = 1, 1, time.monotonic()

    def __call__(self, wish: int, last: bool = False) -> int:
        """Returns the largest wish of all processes, or 0 where they do not ask yet.

        Args:
            wish: Of this process; 0 for none.
            last: Whether they are to ask at this step in any case.
        """
        if processes.alone():
            return wish
        self._left -= 1
        if self._left > 0 and not last:
            return 0
        now = time.monotonic()
        answers = processes.gather((wish, (now - self._since) / self._steps))
        pace = max(answers[0][1], 1e-6)  # All go by the clock of process 0.
        self._left = self._steps = min(max(int(SECONDS / pace), 1), MOST)
        self._since = time.monotonic()
        return max(each for each, _ in answers)
