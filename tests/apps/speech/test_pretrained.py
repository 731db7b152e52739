"""A pretrained Whisper through the commands: a tiny one, of random weights."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from apps.speech import evaluate, predict, train
from apps.speech.inference import Recognizer
from pipelines.commands import runs
from tests.apps.commands import evaluation
from tests.apps.speech import tiny
from tests.pipelines.audio.test_whisper import ALPHABET, save_preset

METRICS = ["wer", "cer", "sentence_error_rate", "attention_entropy", "attention_on_padding"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A Whisper of three seconds, that writes nothing but ASCII."""
    import keras_hub

    folder = save_preset(tmp_path_factory.mktemp("presets") / "tiny", None, frames=300, length=448)
    backbone = keras_hub.models.WhisperBackbone.from_preset(str(folder))
    (table,) = backbone.token_embedding.get_weights()
    # Their logits are 0, and of many others one is always above.
    table[[i for i, token in enumerate(ALPHABET) if not token.isascii() and token != "Ġ"]] = 0
    backbone.token_embedding.set_weights([table])
    backbone.save_to_preset(str(folder))
    return folder


@pytest.fixture(scope="module")
def pretrained(preset):
    return Recognizer.load(preset)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def heard_by_predict(capsys, **flags):
    capsys.readouterr()
    predict.main(tiny.flags(**flags))
    return [line.partition("\t") for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_evaluate_and_predict_without_a_run(preset, tones_folder, elsewhere, capsys):
    evaluate.main(tiny.flags(run="runs/speech/latest", preset=preset, dataset=tones_folder))
    assert [path.name for path in (elsewhere / "runs/speech").iterdir()] == ["pretrained-tiny"]
    folder = evaluation(elsewhere / "runs/speech/pretrained-tiny")
    assert folder.name == f"{tones_folder.name}-test"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "metrics.json", "transcripts_test.jsonl", "maps")
    }
    assert read_json(folder / "config.json")["preset"] == str(preset)
    report = read_json(folder / "metrics.json")
    assert (report["dataset"], report["examples"]) == (str(tones_folder), 3)
    assert list(report["metrics"]) == METRICS
    lines = tiny.read_lines(folder / "transcripts_test.jsonl")
    assert len({line["transcript"] for line in lines}) > 1
    # Nothing is heard after the end, though most of the three seconds are silence.
    for line in lines:
        seconds = soundfile.info(line["file_name"]).duration
        assert all(end <= seconds + 0.02 for _, _, end in line["words"])

    for line in lines[:2]:
        shutil.copy(line["file_name"], elsewhere)
    found = heard_by_predict(capsys, preset=preset, input=elsewhere)
    assert [text for _, _, text in found] == [line["transcript"] for line in lines[:2]]
    assert (folder.parents[1] / "predictions" / "index.html").is_file()


@pytest.fixture(scope="module")
def tuned(preset, tones_folder, tmp_path_factory):
    """A run that went on with it."""
    settings = {"epochs": 3, "learning_rate": 0.02, "warmup_steps": 1, "steps_per_execution": 1}
    settings |= {"seconds_per_batch": 24, "max_target": 31, "max_validation": 2}
    settings |= {"decode_batch_size": 3, "name": "tiny"}
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train.main(tiny.flags(preset=preset, dataset=tones_folder, **settings))
    return folder / "runs/speech/tiny"


@pytest.mark.slow
def test_training_leaves_a_run_like_any_other(tuned, preset, tones_folder, elsewhere, capsys):
    expected = {"config.json", "model.keras", "tokenizer.json", "audio_converter.json", "maps"}
    expected |= {
        "checkpoints",
        "history.csv",
        "metrics.json",
        "transcripts_test.jsonl",
        "tensorboard",
    }
    assert {path.name for path in tuned.iterdir()} == expected
    assert read_json(tuned / "config.json")["preset"] == str(preset)
    with open(tuned / "history.csv", newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[2] < losses[1] < losses[0] - 1

    # It comes to another machine, where the preset is not.
    copied = shutil.copytree(tuned, elsewhere / "copied")
    config = read_json(copied / "config.json")
    runs.write_json(copied / "config.json", {**config, "preset": "whisper_tiny_en"})
    evaluate.main(tiny.flags(run=copied))
    folders = tuned, evaluation(copied)
    before, after = (read_json(folder / "metrics.json")["metrics"] for folder in folders)
    assert after == {name: pytest.approx(value, abs=1e-5) for name, value in before.items()}
    line = tiny.read_lines(tuned / "transcripts_test.jsonl")[0]
    ((text, _, _),) = heard_by_predict(capsys, run=copied, input=line["file_name"])
    assert text == line["transcript"]


@pytest.mark.slow
def test_the_weights_are_those_of_the_preset_but_for_what_training_changed(tuned, pretrained):
    before, after = pretrained.model, Recognizer.load(tuned).model
    changed = {
        variable.path: not np.array_equal(variable.numpy(), other.numpy())
        for variable, other in zip(before.weights, after.weights, strict=True)
    }
    still = [path for path, is_changed in changed.items() if not is_changed]
    assert all("encoder_positions" in path for path in still) and len(changed) > 40


def test_a_long_utterance_is_transcribed_in_pieces(pretrained):
    sound = np.concatenate([tiny.sing(words)[0] for words in tiny.melodies(11)])
    pieces = pretrained.front_end.pieces(sound)
    assert len(sound) > 3 * 3 * tiny.RATE and len(pieces) > 3
    (whole,) = pretrained.predict(sound, decode_batch_size=2, max_target=31)
    parts = [sound[start:stop] for start, stop in pieces]
    parts = pretrained.predict(parts, decode_batch_size=2, max_target=31)
    assert whole.text == " ".join(part.text for part in parts)
    assert whole.score == pytest.approx(sum(part.score for part in parts))
    times = [
        (word, pytest.approx(start / tiny.RATE + first), pytest.approx(start / tiny.RATE + last))
        for (start, _), part in zip(pieces, parts, strict=True)
        for word, first, last in part.words
    ]
    assert list(whole.words) == times
    weights = whole.heard.weights
    assert weights.shape == (len(whole.heard.tokens), -(-len(sound) // 320))
    # It also attends to the silence after a piece, which the map leaves out.
    assert weights.sum(-1).min() < 0.9
    np.testing.assert_allclose(whole.attention.weights.sum(-1), 1, atol=1e-4)
