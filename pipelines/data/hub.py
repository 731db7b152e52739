"""What comes from the network: the schemes of presets, and downloads of TensorFlow Datasets."""

import contextlib
import socket
import urllib.parse
from collections.abc import Iterator

from pipelines.commands.terminal import console

PRESET_SCHEMES = ("hf:", "kaggle:", "modelscope:")
PATIENCE = 10  # seconds that a host has to answer


@contextlib.contextmanager
def one_attempt() -> Iterator[None]:
    """Ends a download at once from a host that is not to be reached.

    TensorFlow Datasets would try ten times, for minutes, and keep its bars on the terminal.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    open_url = downloader._open_url

    def open_reachable(url, **options):
        _reach(url)
        return open_url(url, **options)

    if not console.is_terminal:
        tfds.disable_progress_bar()
    downloader._open_url = open_reachable
    try:
        yield
    finally:
        downloader._open_url = open_url


def _reach(url: str) -> None:
    """Makes one connection to the host of a URL, unless a proxy stands before it.

    Raises:
        OSError: There is none within `PATIENCE` seconds.
    """
    from urllib.request import getproxies  # Which `--help` of the applications need not wait for.

    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "ftp": 21}.get(parts.scheme, 443)
    if parts.hostname is None or getproxies():
        return
    try:
        socket.create_connection((parts.hostname, port), PATIENCE).close()
    except OSError as error:
        raise OSError(f"{parts.hostname} cannot be reached: {error.strerror or error}") from error
