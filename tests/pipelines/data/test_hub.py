"""Sets of TensorFlow Datasets that cannot be downloaded, and where a set lies."""

import socket
import time

import pytest

from pipelines.commands.errors import UserError
from tests.pipelines.data import exports

FIELDS = {"text": str, "label": str}


@pytest.fixture(scope="module")
def tiny_texts():
    """A set of the texts `tiny_texts.TEXTS`, which asks the network for them if there are none."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    class TinyTexts(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        TEXTS = ()

        def _info(self):
            text = tfds.features.Text()
            features = {"text": text, "label": tfds.features.ClassLabel(names=["a", "b"])}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            if not self.TEXTS:
                dl_manager.download("https://texts.example/all.zip")
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for number, text in enumerate(self.TEXTS):
                yield number, {"text": tf.compat.as_bytes(text), "label": "a"}

    return TinyTexts


@pytest.fixture
def unplugged(monkeypatch):
    """No host answers; returns those that were asked."""
    asked = []

    def refuse(address, timeout):
        asked.append((*address, timeout))
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return asked


def read(folder, data_dir, builder, *texts):
    """The texts of the exported set in a folder of prepared sets."""
    builder.TEXTS = texts
    found = exports.locate("tfds:tiny_texts", FIELDS, folder, data_dir=data_dir)
    return sorted(row["text"] for row in exports.read(found, "train"))


def test_every_folder_of_prepared_sets_has_its_own_copy(tiny_texts, tmp_path, unplugged):
    first, second = tmp_path / "first", tmp_path / "second"
    assert read(tmp_path, first, tiny_texts, "one", "two") == ["one", "two"]
    assert read(tmp_path, second, tiny_texts, "three") == ["three"]
    assert read(tmp_path, first, tiny_texts) == ["one", "two"]
    assert len(list((tmp_path / "datasets").iterdir())) == 2
    # An empty folder, or one that has been emptied, is not taken for the earlier copy.
    for data_dir in (tmp_path / "empty", first):
        if data_dir == first:
            first.rename(tmp_path / "away")
        with pytest.raises(UserError, match=r"tiny_texts is not prepared in .* could not"):
            read(tmp_path, data_dir, tiny_texts)
    # Another copy in the same place.
    assert read(tmp_path, first, tiny_texts, "four") == ["four"]


def test_without_a_network_it_is_one_attempt_and_one_line(tiny_texts, tmp_path, unplugged, capsys):
    before = time.monotonic()
    with pytest.raises(UserError) as caught:
        read(tmp_path, tmp_path / "empty", tiny_texts)
    assert str(caught.value) == (
        f"tfds:tiny_texts is not prepared in {tmp_path}/empty/tiny_texts/1.0.0 and could not be "
        "downloaded (texts.example cannot be reached: Network is unreachable): prepare it where "
        "there is a network, and name its folder with --data-dir"
    )
    assert unplugged == [("texts.example", 443, 10)]
    assert time.monotonic() - before < 30
    assert capsys.readouterr().err == ""
