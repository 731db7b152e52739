"""Mistakes of the user's, each told in one line."""

import difflib
import errno
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence

# Of a place to write, or a name to read from.
REFUSALS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
}


class UserError(Exception):
    """A mistake of the user's, told in one clear line."""


def main(function: Callable) -> Callable:
    """Makes `function` the entry point of a command.

    A `UserError` becomes `error: MESSAGE` on standard error and exit status 2, and so does what the
    file system refuses; the interrupt key becomes one line and exit status 130. A reader of the
    output that goes away, such as `head`, ends the command without a word. Every other exception
    keeps its traceback.

    Args:
        function: The command; its arguments and its result are passed on.

    Returns:
        The entry point.
    """

    @functools.wraps(function)
    def entry_point(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except UserError as error:
            _end(str(error))
        except BrokenPipeError:
            # Else Python complains when it flushes what nobody reads.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            _end(f"{error.filename or 'cannot write'}: {error.strerror}")
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            sys.exit(130)

    return entry_point


def _end(message):
    print("error:", " ".join(message.splitlines()), file=sys.stderr)
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
