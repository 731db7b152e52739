"""The choice of a device, and a start without the lines of the backends."""

import os
import sys
import warnings

import pytest

from pipelines.commands import devices, errors
from tests.pipelines.commands.running import run_python


def test_a_failed_import_shows_what_was_caught(capfd):
    with warnings.catch_warnings():
        with devices.quiet_start():
            os.write(2, b"swallowed")
        assert capfd.readouterr().err == ""
        with pytest.raises(ImportError), devices.quiet_start():
            os.write(2, b"the reason\n")
            raise ImportError
        assert capfd.readouterr().err == "the reason\n"
        with pytest.raises(errors.UserError), devices.quiet_start():
            os.write(2, b"swallowed")
            raise errors.UserError
        assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_training_run_writes_nothing_to_standard_error(tmp_path):
    done = run_python(
        f"""
from pipelines.commands import devices, errors
devices.select_device("cpu")
with devices.quiet_start():
    import keras
    import tensorflow as tf

model = keras.Sequential(
    [
        keras.layers.Embedding(9, 4, mask_zero=True),
        keras.layers.LSTM(3),
        keras.layers.Dense(1),
    ]
)
model.compile("adam", "mse")
data = tf.data.Dataset.range(8).map(lambda i: (tf.fill([5], i), i), tf.data.AUTOTUNE)
model.fit(data.cache().batch(2).prefetch(2), steps_per_epoch=3, epochs=2, verbose=0)
tf.function(lambda x: 2 * x, jit_compile=True)(tf.ones(3))
model.save({str(tmp_path / "model.h5")!r})
try:
    devices.require_gpu()
except errors.UserError as error:
    print(error)
""",
        KERAS_BACKEND="tensorflow",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "--device gpu: the tensorflow backend finds no GPU; `make setup GPU=1` installs the CUDA "
        "builds, and `--device cpu` runs without\n"
    )


def test_the_device_is_chosen_by_the_environment(monkeypatch):
    names = "CUDA_VISIBLE_DEVICES JAX_PLATFORMS TF_FORCE_GPU_ALLOW_GROWTH TF_NUM_INTRAOP_THREADS"
    for name in names.split():
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for device in ("auto", "gpu"):
        devices.select_device(device)
        assert "CUDA_VISIBLE_DEVICES" not in os.environ and "JAX_PLATFORMS" not in os.environ
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    devices.select_device("cpu", op_threads=1)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["JAX_PLATFORMS"]) == ("-1", "cpu")


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_gpu_is_looked_for_by_the_backend_in_use(monkeypatch, backend):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setitem(devices._GPU_FOUND, backend, lambda: True)
    devices.require_gpu()
    monkeypatch.setitem(devices._GPU_FOUND, backend, lambda: False)
    with pytest.raises(errors.UserError, match=f"the {backend} backend finds no GPU"):
        devices.require_gpu()


@pytest.mark.parametrize(
    ("home", "cache", "given"),
    [
        ("writable", None, False),
        ("nowhere", "writable", False),
        ("writable", "file/cache", True),
        (None, None, True),
    ],
)
def test_libraries_have_a_cache_where_the_user_has_none(tmp_path, monkeypatch, home, cache, given):
    (tmp_path / "writable").mkdir()
    (tmp_path / "file").touch()
    made = []
    monkeypatch.setattr(devices.tempfile, "mkdtemp", lambda prefix: made.append(prefix) or "made")
    monkeypatch.setattr(devices.os, "access", lambda path, _: path == tmp_path / "writable")
    monkeypatch.setattr(devices.os, "getuid", lambda: 987_654_321)  # Who has no entry.
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    if home:
        monkeypatch.setenv("HOME", str(tmp_path / home))
    if cache:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    devices.give_libraries_a_cache()
    assert made == (["attention-suite-"] if given else [])
    names = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    found = [os.environ.get(name) for name in names]
    kept = str(tmp_path / cache) if cache else None
    assert found == (["made", "made", "mine"] if given else [kept, None, "mine"])
    for name in names:  # `monkeypatch` gives back what it set alone.
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", None])
def test_what_is_not_used_is_not_imported(monkeypatch, backend):
    for name in devices.UNUSED:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "already", sys)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    with devices._hidden((*devices.UNUSED, "already")):
        with pytest.raises(ImportError):
            import sklearn
        with pytest.raises(ImportError):
            import matplotlib.pyplot  # noqa: F401
        assert ("jax" in sys.modules) == (backend == "tensorflow")
        assert sys.modules["already"] is sys
    assert not set(devices.UNUSED) & set(sys.modules)
    import sklearn

    assert sklearn.__version__
