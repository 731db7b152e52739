"""The folder `layers` as the package `attention_layers`."""

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import layers

ROOT = Path(__file__).parent.parent

MODEL = """
import sys
import keras
import numpy as np
import layers

query, value = keras.Input((None, 6)), keras.Input((None, 6))
x, weights = layers.AdditiveAttention(5)(query, value, return_attention_scores=True)
x = layers.LuongAttention("general")(x, value)
x = layers.MultiHeadAttention(2, 3)(x, value)
x = layers.TransformerEncoderBlock(2, 12)(x)
x = layers.AttentionRNN(keras.layers.GRUCell(4), layers.AdditiveAttention(5))(x, value)
model = keras.Model((query, value), (x, weights))

random = np.random.default_rng(0)
model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
inputs = [random.normal(size=(2, length, 6)).astype("float32") for length in (3, 5)]
outputs = model.predict_on_batch(inputs)
model.save(f"{sys.argv[1]}/model.keras")
np.savez(f"{sys.argv[1]}/example.npz", *inputs, *outputs)
"""

CHECK = """
import importlib.util
import sys
import attention_layers
import keras
import numpy as np

assert importlib.util.find_spec("layers") is None
assert attention_layers.__file__.startswith(sys.prefix)
model = keras.saving.load_model(f"{sys.argv[1]}/model.keras")
names = {type(layer).__module__.partition(".")[0] for layer in model.layers}
assert names == {"attention_layers", "keras"}, names
query, value, *expected = np.load(f"{sys.argv[1]}/example.npz").values()
for found, wanted in zip(model.predict_on_batch([query, value]), expected, strict=True):
    np.testing.assert_allclose(found, wanted, atol=1e-6)
print("equal")
"""


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def packaged_modules():
    """The files of the wheel that stand for `layers`, by their path inside it."""
    sources = [*(ROOT / "layers").rglob("*.py"), ROOT / "layers" / "py.typed"]
    return {f"attention_layers/{path.relative_to(ROOT / 'layers').as_posix()}" for path in sources}


def test_every_folder_of_layers_is_a_package(monkeypatch):
    import setuptools

    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(ROOT)
    exec((ROOT / "setup.py").read_text(), {})
    folders = {Path(name).parent.as_posix().replace("/", ".") for name in packaged_modules()}
    assert given["package_data"] == {"attention_layers": ["py.typed"]}
    assert set(given["packages"]) == folders
    assert given["package_dir"] == {"attention_layers": "layers"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "layers", source / "layers", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir . ./source"
    run(sys.executable, "-m", *build.split(), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_layers_alone(wheel):
    assert wheel.name == f"attention_layers-{layers.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        metadata = archive.read(metadata).decode()
    requirements = re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)
    assert {name for name in names if ".dist-info/" not in name} == packaged_modules()
    assert requirements[0] == "keras<3.16,>=3.15"
    extras = {"tensorflow": "2.18", "jax": "0.5", "torch": "2.6"}
    assert requirements[1:] == [
        f'{name}>={version}; extra == "{name}"' for name, version in extras.items()
    ]
    for line in ("Author: ", "Project-URL: ", "Classifier: Typing :: Typed", "# attention-layers"):
        assert f"\n{line}" in metadata


@pytest.mark.slow
def test_a_model_saved_here_loads_where_only_the_wheel_is_installed(wheel, tmp_path):
    run(sys.executable, "-c", MODEL, tmp_path, cwd=ROOT)

    run(sys.executable, "-m", "venv", "--without-pip", "fresh", cwd=tmp_path)
    python = tmp_path / "fresh" / "bin" / "python"
    install = f"pip --python {python} install --quiet --no-index --no-deps"
    run(sys.executable, "-m", *install.split(), wheel, cwd=tmp_path)
    # Keras and its backend are lent by this environment: nothing is downloaded.
    (site_packages,) = (tmp_path / "fresh").glob("lib/*/site-packages")
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")

    assert run(python, "-I", "-c", CHECK, tmp_path, cwd=tmp_path) == "equal\n"
