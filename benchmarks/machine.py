"""What a measurement was made on: the machine and the versions."""

import contextlib
import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("keras", "tensorflow", "jax", "torch", "transformers", "ctranslate2", "numpy")


def machine():
    """The processor's name, the cores this process may use, and the memory in GiB."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2] for line in lines if line.startswith("model name"))
    usable = getattr(os, "sched_getaffinity", None)
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": " ".join(name.split()),
        "cores": len(usable(0)) if usable else os.cpu_count(),
        "memory_gib": round(size / 2**30, 1),
    }


def versions():
    """Versions of Python and of the packages that compute, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
