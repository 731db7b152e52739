"""The end of one process ends all, each with a line: none of them is left waiting for the rest."""

import contextlib
import hmac
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable

from pipelines.commands.terminal import printable

DONE = (1 << 32) - 1  # Said by one that ends in order; any other number is of one that died.
WORD = 4  # Bytes of a number.
STATUS = 75  # Of a process that others have left: try again (EX_TEMPFAIL).
SECONDS = 5  # Without an answer from a machine before it is asked; four times, and it is gone.
ASKED = 3
WAIT = 60  # Seconds for the connections of a job that has begun.


def listen(port: int = 0) -> socket.socket:
    """Opens a socket of process 0 at which others reach it, by default at any free port.

    Raises:
        OSError: Somebody listens at that port.
    """
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    return socket.create_server(
        ("", port), family=family, dualstack_ipv6=family == socket.AF_INET6, backlog=1024
    )


class Peers:
    """Watches over the connections of process 0 with all others, in a thread.

    A process that dies closes its connection at once, and the machine of one that is lost stops to
    answer. Process 0 tells it to the rest.

    Args:
        number: Of this process.
        connections: For each process that it is connected with its number and the socket.
        ended: Takes the number of a process that has died.
    """

    def __init__(
        self, number: int, connections: dict[int, socket.socket], ended: Callable[[int], None]
    ):
        self.number, self.connections, self.ended = number, dict(connections), ended
        for connection in connections.values():
            _keep_alive(connection)
        self._closing = False
        threading.Thread(target=self._watch, daemon=True).start()

    @classmethod
    def gather(
        cls, listener: socket.socket, secret: bytes, processes: int, ended: Callable
    ) -> "Peers":
        """Process 0: waits for the connections of all others, who know a secret.

        Raises:
            OSError: One does not come in time.
        """
        connections = {}
        with listener:
            listener.settimeout(WAIT)
            while len(connections) < processes - 1:
                connection, _ = listener.accept()
                connection.settimeout(SECONDS)  # Of a stranger who says nothing.
                said = _hear(connection, len(secret) + WORD)
                if said is None or not hmac.compare_digest(said[:-WORD], secret):
                    connection.close()
                    continue
                connection.settimeout(None)
                connections[int.from_bytes(said[-WORD:], "big")] = connection
        return cls(0, connections, ended)

    @classmethod
    def join(cls, address: tuple[str, int], secret: bytes, number: int, ended: Callable) -> "Peers":
        """Another process: connects with process 0.

        Raises:
            OSError: It is not to be reached.
        """
        connection = socket.create_connection(address, timeout=WAIT)
        connection.settimeout(None)
        connection.sendall(secret + number.to_bytes(WORD, "big"))
        return cls(number, {0: connection}, ended)

    def close(self) -> None:
        """Tells the others that this process ends in order."""
        self._closing = True
        self._tell(DONE)

    def abandon(self) -> None:
        """Leaves the others, who take this process for dead unless it was closed before."""
        self._closing = True
        for connection in self.connections.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _tell(self, number):
        for connection in self.connections.values():
            with contextlib.suppress(OSError):  # Of one that has ended itself.
                connection.sendall(number.to_bytes(WORD, "big"))

    def _watch(self):
        with selectors.DefaultSelector() as selector:
            for number, connection in self.connections.items():
                selector.register(connection, selectors.EVENT_READ, number)
            while selector.get_map():
                for key, _ in selector.select():
                    said = _hear(key.fileobj, WORD)
                    number = key.data if said is None else int.from_bytes(said, "big")
                    if number == DONE:
                        selector.unregister(key.fileobj)
                    elif not self._closing:
                        self._tell(number)
                        self.ended(number)
                        return


def _hear(connection, size):
    """So many bytes that a process said; `None` of one that has died."""
    try:
        return said if len(said := connection.recv(size, socket.MSG_WAITALL)) == size else None
    except OSError:
        return None


def _keep_alive(connection):
    """Has the kernel ask the other machine whether it is still there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # Linux and Windows; macOS asks after two hours.
        for option, value in (
            (socket.TCP_KEEPIDLE, SECONDS),
            (socket.TCP_KEEPINTVL, SECONDS),
            (socket.TCP_KEEPCNT, ASKED),
        ):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def leave(dead: int) -> None:
    """Ends this process with the line that another has died, whatever it is doing."""
    line = (
        f"error: process {dead} has ended, and this one stops with it: what that one said tells "
        "why. The same command on every machine goes on from the last checkpoint"
    )
    os.write(2, (printable(line) + "\n").encode())
    sys.stdout.flush()
    os._exit(STATUS)
