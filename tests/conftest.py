"""A quiet, hermetic environment for every test and for the commands that tests start."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

# Workers, and the commands that tests start, share the cores as it is.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# On JAX tests mostly wait for XLA, which compiles each operation for each shape.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """Keeps the user's cache out of the tests, and the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("ATTENTION_SUITE_CACHE", str(folder))
        yield folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker has all tests of an application, whose trained run they share, or of a file."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = Path(nodeid.partition("::")[0])
            return "/".join(path.parts[:3]) if path.is_relative_to("tests/apps") else str(path)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """On TensorFlow, what applications prove for the other backends is slow.

    There the commands train, save and load the same models.
    """
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        for item in items:
            if "backends" in item.name and (ROOT / "tests" / "apps") in item.path.parents:
                item.add_marker(pytest.mark.slow)
