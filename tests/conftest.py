"""A quiet, hermetic environment for every test and for the commands that tests start."""

import gc
import os
import re
from pathlib import Path

import pytest

from pipelines.commands import left_out
from pipelines.commands.mechanisms import MECHANISMS

ROOT = Path(__file__).parent.parent
# Where tests have many cases, and how many `make test` runs of one of them, of one that each
# mechanism has to pass, and of one of a whole model on TensorFlow.
MANY = re.compile(r"tests/(layers|pipelines/(decoding|images|maps))/")
MOST_CASES, MOST_OF_A_MECHANISM, MOST_OF_A_MODEL = 2, 2, 1
WHOLE = re.compile(r"tests/layers/(models|blocks)/")
# What takes long of whole models. On TensorFlow the commands of the applications train, compile,
# save and load the same ones; `make test-backends` proves it here on JAX and PyTorch.
MODELS = re.compile(
    r"tests/layers/(models|blocks|aligned|attention|embeddings)/.*"
    r"(train|learn|saved_model|comes_back|from_a_file|files_of|xla|compile|fit_)"
    r"|::TestMechanisms::test_training_lowers_the_loss\[(?!additive)"
    r"|test_backends_end_a_killed_run|test_saved_models_load_in_a_fresh_process"
)
# What takes long on a backend and proves the same on another. JAX alone takes sizes that are not
# numbers for expressions, which most faults are of; and it compiles each operation of a decoder.
LONG = {
    "jax": "takes_any_size.networks|test_a_translator_of_padded|test_each_decoder_of_a_padded",
    "tensorflow": "takes_any_size",
    "torch": "takes_any_size|test_backends_with_two_processes",  # That one is of JAX.
}

# The graphs of TensorFlow are many objects that stay: looking through them for garbage takes time.
gc.set_threshold(50_000, 20, 100)

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


@pytest.fixture(autouse=True)
def nothing_left_out():
    """What a test leaves out of its data is no concern of the next."""
    left_out.begin()


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
    """Marks as slow what `make test` leaves to `make test-all`, besides what is marked in place.

    On TensorFlow that is what models and applications prove for the other backends, as the commands
    train, save and load the same models there. And of a test with many cases, those between the
    ones that are spread evenly over them.
    """
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        for item in items:
            of_apps = "backends" in item.name and (ROOT / "tests" / "apps") in item.path.parents
            if of_apps or MODELS.search(item.nodeid):
                item.add_marker(pytest.mark.slow)
    for item in items:
        if re.search(LONG[os.environ["KERAS_BACKEND"]], item.nodeid):
            item.add_marker(pytest.mark.slow)
    groups = {}
    for item in items:
        if MANY.match(item.nodeid) and item.get_closest_marker("slow") is None:
            group = item.path, item.originalname, item.cls, mechanism(item)
            groups.setdefault(group, []).append(item)
    for (*_, name), cases in groups.items():
        most = MOST_CASES if name is None else MOST_OF_A_MECHANISM
        if os.environ["KERAS_BACKEND"] == "tensorflow" and WHOLE.match(cases[0].nodeid):
            most = MOST_OF_A_MODEL
        fast = spread(len(cases), most)
        for number, item in enumerate(cases):
            if number not in fast:
                item.add_marker(pytest.mark.slow)


def mechanism(item):
    """The name of the attention mechanism that a case is about, if it is one of the registry."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = (getattr(value, "name", value) for value in values)
    return next((name for name in names if isinstance(name, str) and name in MECHANISMS), None)


def spread(count, most):
    """So many numbers below `count`, evenly, the first and the last among them."""
    if count <= most:
        return range(count)
    return {round(place * (count - 1) / max(most - 1, 1)) for place in range(most)}
