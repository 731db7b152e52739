"""Mistakes of the user's, and what a machine refuses, each told in one line."""

import contextlib
import difflib
import errno
import functools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipelines.commands.terminal import complain, note, speak_utf8

# What a machine lacks or forbids, whatever file it was asked for.
LACKS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
# Of a place to write, or a name to read from.
REFUSALS = {
    *LACKS,
    *(errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.EIO),
}
NO_SPACE = os.strerror(errno.ENOSPC)


class UserError(Exception):
    """A mistake of the user's, told in one clear line."""


class MachineError(UserError):
    """What the machine refuses: memory, room, permission.

    It is no fault of the example that met it: another would not do, so none is left out for it.
    """


class Terminated(SystemExit):
    """A request to end (SIGTERM), as the scheduler of a cluster sends it."""


def main(function: Callable) -> Callable:
    """Makes `function` the entry point of a command.

    A `UserError` becomes `error: MESSAGE` on standard error and exit status 2, and so does what the
    machine refuses: room on the disk, memory, permission. The interrupt key becomes one line, see
    `if_interrupted`, and exit status 130; a request to end (SIGTERM) lets what is open be closed,
    then exit status 143. A reader of the output that goes away, such as `head`, ends the command
    without a word. Every other exception keeps its traceback. Both outputs are in UTF-8.

    Args:
        function: The command; its arguments and its result are passed on.

    Returns:
        The entry point.
    """

    @functools.wraps(function)
    def entry_point(*args, **kwargs):
        _open_standard_streams()
        with _terminated_in_order():
            try:
                try:
                    return function(*args, **kwargs)
                finally:
                    sys.stdout.flush()
            except UserError as error:
                _end(str(error))
            except BrokenPipeError:
                _give_up_output()
                sys.exit(128 + signal.SIGPIPE)
            except KeyboardInterrupt as interrupt:
                print(file=sys.stderr)
                note(": ".join(["interrupted", *filter(None, interrupt.args)]))
                sys.exit(128 + signal.SIGINT)
            except Terminated as request:
                if any(request.args):
                    note(f"terminated: {request.args[0]}")
                sys.exit(128 + signal.SIGTERM)
            except Exception as error:
                reason = refusal(error)
                if reason is None:
                    raise
                _end(reason)

    return entry_point


def status(error: BaseException) -> int:
    """Returns the exit status of a command that an exception ends, see `main`."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    return 2 if isinstance(error, UserError) or refusal(error) else 1


@contextlib.contextmanager
def if_interrupted(tell: str | Callable[[], str]) -> Iterator[None]:
    """Has the line of the interrupt key, or of SIGTERM, say what is kept and how to go on.

    Args:
        tell: What to say, or a function that knows it when the key is pressed.
    """
    try:
        yield
    except (KeyboardInterrupt, Terminated) as interrupt:
        if not interrupt.args:  # Else something within has told.
            interrupt.args = (tell if isinstance(tell, str) else tell(),)
        raise


def refusal(error: BaseException) -> str | None:
    """Returns the line that tells what the file system or the machine refuses, if that it is."""
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return f"{error.filename or 'cannot write'}: {error.strerror}"
    return lack(error)


def lack(error: BaseException) -> str | None:
    """Returns what the machine lacks or forbids, if that is what an exception tells of.

    TensorFlow and HDF5 have exceptions of their own for a disk that is full.
    """
    if isinstance(error, OSError) and error.errno in LACKS:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return f"{first_line(error)} Set HOME, or write the path out"
    if NO_SPACE in str(error):
        return re.sub(r"\{\{.*?\}\} ?", "", first_line(error))  # Without TensorFlow's own names.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return f"out of memory: {first_line(error)}"
    return None


@contextlib.contextmanager
def reading(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turns whatever the reading of a file raises into one clear line.

    Files of a run may come from anywhere, and what reads them raises what it likes; Rust's panics
    are not even an `Exception`.

    Args:
        path: The file.
        what: What it is to be, such as "a tokenizer".

    Raises:
        UserError: For all but the interrupt key; a `MachineError` for what the machine refuses.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        if lack(error):
            raise MachineError(f"cannot read {path}: {reason}") from error
        raise UserError(f"{path} cannot be read as {what}: {reason}") from error


def _open_standard_streams() -> None:
    """Makes the standard streams fit to be used, also where they were closed, or not in UTF-8."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # Else the next file to be opened would take its place.
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    speak_utf8()


@contextlib.contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Has SIGTERM raise, so that helper processes are ended and half-made files removed."""

    def terminate(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # A second one is not to wait.
        raise Terminated

    try:
        previous = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # Not in the main thread.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)


def _give_up_output() -> None:
    """Lets nothing more be written to a standard output that takes nothing."""
    # Else Python complains when it flushes what nobody reads.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(message):
    try:
        sys.stdout.flush()
    except OSError:
        _give_up_output()
    complain(f"error: {' '.join(message.splitlines())}")
    sys.exit(2)


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Builds the error for a name that is none of the known ones.

    Args:
        kind: What is named, such as "data set".
        name: What the user wrote.
        known: The names there are.

    Returns:
        The error, which lists the known names and points at the nearest.
    """
    known = list(known)
    return UserError(
        f"unknown {kind} '{name}'{hint(name, known)} The known ones are {', '.join(known)}."
    )


def check_utf8(name: str | os.PathLike) -> None:
    """Makes sure that a name can be printed and written down.

    File systems take any bytes for a name. Those that are no UTF-8 are strings in Python, but
    neither a terminal nor a file of a run takes them.

    Raises:
        UserError: It cannot.
    """
    raw = os.fsencode(name)
    try:
        raw.decode()
    except UnicodeDecodeError:
        shown = raw.decode("utf-8", "backslashreplace")
        raise UserError(f"the name '{shown}' is not in UTF-8: rename it") from None


def hint(name: str, known: Sequence[str]) -> str:
    """Returns the end of a sentence: which known name is the nearest, if one is near."""
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else "."


def first_line(error: Exception) -> str:
    """Returns the first line of what an exception says, or its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
