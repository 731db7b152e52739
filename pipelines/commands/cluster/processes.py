"""The processes of a job: how they begin together, share out work, and end together."""

import atexit
import concurrent.futures
import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipelines.commands import devices, errors, terminal
from pipelines.commands.cluster import peers, requests
from pipelines.commands.cluster.places import Place
from pipelines.commands.errors import UserError, first_line

WAIT = 300  # Seconds in which all processes have to be there.
GRACE = 10  # Seconds in which the end of another process explains what went wrong in this one.
_LEAST = 1 << 10  # Bytes that are exchanged; each further doubling is compiled anew.


class _Job:
    """The job that this process is part of."""

    place = Place()
    peers = None
    status = None


_job = _Job()


def place() -> Place:
    """Returns which of the processes this one is."""
    return _job.place


def alone() -> bool:
    """Whether there is no other process."""
    return _job.place.processes == 1


def first() -> bool:
    """Whether this process is the one that writes files and prints."""
    return _job.place.process_id == 0


@contextlib.contextmanager
def together(options, place: Place) -> Iterator[Callable[[], None]]:
    """Makes this process one of several, and its devices what is asked for, until a command ends.

    All others than process 0 print nothing but errors. If another one dies, this one ends as
    `peers.leave` says.

    Args:
        options: With the fields of `pipelines.commands.options.Processes` and `device`.
        place: Which of the processes it is.

    Yields:
        What prepares all this. To be called when Keras is imported and no device is in use yet.

    Raises:
        UserError: This machine, or the backend, cannot do what is asked for.
    """

    def prepare():
        import keras

        count = getattr(options, "devices", None) or 1
        requests.check(options, place, keras.backend.backend())
        if options.device == "cpu" and count > 1:
            devices.divide_cpu(count)
        if place.processes > 1:
            _job.peers = _connect(place)
        if count > 1:
            devices.require_devices(count)

    _job.place = place
    if place.process_id:
        terminal.mute()
    try:
        yield prepare
        gather(None)  # None leaves while another still works.
        part()
    except BaseException as error:
        _job.status = errors.status(error)
        if _job.peers and _job.status == 1:
            # What fails here may be that another has gone, and its end then ends this one too.
            time.sleep(GRACE)
        raise
    finally:
        if _job.peers:
            _job.peers.abandon()
        _job.place, _job.peers = Place(), None


def _leave() -> None:
    """Ends a process that fails at once, before JAX waits for the others to end in order."""
    if _job.status is not None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(_job.status)


def _connect(place):
    import jax

    # It would take the signal that asks a process to end, which is ours to answer.
    jax.config.update("jax_enable_preemption_service", False)
    atexit.register(_leave)
    _meet(place)
    listener, secret = None, None
    if place.process_id == 0:
        listener, secret = peers.listen(), os.urandom(16)
    with terminal.silent_libraries():  # Gloo tells that it is connected.
        port, secret = gather(listener and (listener.getsockname()[1], secret))[0]
    host = place.coordinator.rpartition(":")[0].strip("[]")
    try:
        if listener is not None:
            return peers.Peers.gather(listener, secret, place.processes, peers.leave)
        return peers.Peers.join((host, port), secret, place.process_id, peers.leave)
    except OSError as error:
        raise UserError(
            f"process {place.process_id} has no connection by port {port} of {host}, at which "
            f"process 0 watches over the others: {first_line(error)}"
        ) from error


def _meet(place):
    """Waits for all processes of the job, in a thread, as JAX hears no signal meanwhile.

    JAX itself would end a process that waits too long with a trace of its own code.
    """
    import jax

    if place.process_id == 0:
        try:
            peers.listen(int(place.coordinator.rpartition(":")[2])).close()
        except OSError as error:
            raise UserError(
                f"process 0 cannot listen at {place.coordinator}: {os.strerror(error.errno)}"
            ) from error
    connected = concurrent.futures.Future()

    def connect():
        try:
            jax.distributed.initialize(
                place.coordinator,
                place.processes,
                place.process_id,
                cluster_detection_method="deactivate",
                initialization_timeout=2 * WAIT,
            )
            connected.set_result(None)
        except BaseException as error:
            connected.set_exception(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        connected.result(WAIT)
    except TimeoutError as error:
        raise UserError(
            f"process {place.process_id} waited {WAIT} seconds at {place.coordinator} for all "
            f"{place.processes} processes: is each of them started, and does it reach that address?"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"process {place.process_id} finds no job at {place.coordinator}: {first_line(error)}"
        ) from error


def gather(value: Any) -> list:
    """Returns the values of all processes, in their order; each has to call it.

    Args:
        value: That of this process: what can be pickled. Nobody but the processes of the job has
            a part in it.
    """
    if alone():
        return [value]
    import numpy as np
    from jax.experimental import multihost_utils

    own = np.frombuffer(pickle.dumps(value), "uint8")
    sizes = multihost_utils.process_allgather(np.array(len(own), "int32"))
    padded = np.zeros(max(1 << int(sizes.max() - 1).bit_length(), _LEAST), "uint8")
    padded[: len(own)] = own
    rows = multihost_utils.process_allgather(padded)
    return [pickle.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def from_first(function: Callable[[], Any]) -> Any:
    """Returns what process 0 computes; the others wait for it."""
    return gather(function() if first() else None)[0]


def part() -> None:
    """Lets this process end without the others minding: they all do."""
    if _job.peers:
        _job.peers.close()


def divide(function: Callable[[Sequence], Sequence], items: Sequence) -> Sequence:
    """Shares out items among the processes, and returns what they make of them, in order.

    Args:
        function: Takes some of the items, at least one; returns a result for each.
        items: All of them, the same in each process.
    """
    if alone():
        return function(items)
    count, number = _job.place.processes, _job.place.process_id
    results = [None] * len(items)
    own = items[number::count]
    for part, found in enumerate(gather(function(own) if len(own) else [])):
        results[part::count] = found
    return results
