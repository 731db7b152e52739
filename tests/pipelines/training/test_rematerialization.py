"""The flags that trade time for memory, and what has nothing to trade."""

from types import SimpleNamespace

import keras
import pytest

import layers
from pipelines.commands.errors import UserError
from pipelines.training import fitting, rematerialization

SIZES = {"vocabulary_size": 11, "dim": 8, "num_heads": 2, "encoder_layers": 2}


def remat(model):
    return [layer.remat for layer in model._flatten_layers() if hasattr(layer, "remat")]


def test_all_blocks_and_their_networks_turn_it_on_and_a_loaded_model_goes_on(tmp_path):
    model = layers.encoder_decoder(**SIZES, copies=True)
    assert remat(model) == [False] * 6
    rematerialization.turn_on(model)
    assert remat(model) == [True] * 6
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert remat(loaded) == [True] * 6


@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_a_model_without_blocks_is_refused_before_there_is_a_folder(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = layers.encoder_decoder(**SIZES, model="rnn")
    if model == "lstm":
        network = layers.SpeechToText(layers.SpeechEncoder(8, 1, "lstm"), vocabulary_size=11)
        network.build({"features": (None, None, 8)})
    run = fitting.Run("numbers", SimpleNamespace(remat=True))
    with pytest.raises(UserError, match=r"--remat .* blocks again, and this model has none"):
        run.create(SimpleNamespace(model=network))
    assert list(tmp_path.iterdir()) == []


def test_pytorch_has_no_xla(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    config = SimpleNamespace(xla="on", name=None, resume="auto")
    with pytest.raises(UserError, match="--xla on: PyTorch has no XLA; leave it at auto"):
        fitting.start("numbers", config)
