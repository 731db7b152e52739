"""The interrupt key and SIGTERM while a model learns: they wait for the end of a step."""

import contextlib
import signal
import sys

from pipelines.commands.errors import Terminated
from pipelines.commands.terminal import note

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interrupts(contextlib.AbstractContextManager):
    """Takes both signals over.

    Attributes:
        waiting: Whether a signal is to wait, as a step may be under way.
        received: The signal that waits.
    """

    def __init__(self):
        self.waiting = False
        self.received = None
        self._previous = {}

    def __enter__(self):
        with contextlib.suppress(ValueError):  # Not in the main thread.
            for number in NUMBERS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._previous = {}

    def _take(self, number, frame):
        if not self.waiting or self.received is not None:
            self.received = number
            self.end()
        self.received = number
        if number == signal.SIGINT:
            print(file=sys.stderr)
            note("saving a checkpoint after this step; ctrl-C again leaves at once")

    def end(self):
        """Ends the command with the signal that was received, if one was."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is not None:
            raise Terminated
