import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from apps.speech import data
from apps.speech.config import Config, pretrained
from pipelines.audio import audio_files
from pipelines.audio.front_ends import LogMels, WhisperMels
from pipelines.audio.log_mel import log_mel
from pipelines.builtin import spoken_numbers
from pipelines.commands import left_out
from pipelines.commands.errors import UserError
from pipelines.data import sources
from pipelines.text.speech_units import Units
from tests.apps.speech import tiny


class Extractor:
    num_samples = 48_000


FULL = {"train": 23, "validation": 3, "test": 3}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_tones(tmp_path / "set", **FULL)


def counts(rows):
    return {split: len(rows[split]) for split in rows}


class TestRead:
    def test_three_files(self, folder):
        rows = data.read(Config(dataset=str(folder)))
        assert counts(rows) == FULL
        for split, lines in rows.items():
            written = tiny.read_lines(folder / f"{split}.jsonl")
            assert lines == [
                {**row, "file_name": str(folder / row["file_name"])} for row in written
            ]

    def test_paths_do_not_depend_on_where_one_stands(self, folder, monkeypatch):
        monkeypatch.chdir(folder.parent)
        row = data.read(Config(dataset="./set"), ("test",))["test"][0]
        assert row["file_name"] == str(folder / "test_0.flac")

    def test_what_is_wanted_alone_is_read(self, folder):
        (folder / "train.jsonl").write_text("no JSON")
        assert counts(data.read(Config(dataset=str(folder)), ("test",))) == {"test": 3}

    def test_missing_splits_are_cut_from_train(self, folder, capsys):
        texts = {row["text"] for row in tiny.read_lines(folder / "train.jsonl")}
        (folder / "validation.jsonl").unlink()
        (folder / "test.jsonl").unlink()
        rows = data.read(Config(dataset=str(folder)))
        assert counts(rows) == {"train": 19, "validation": 2, "test": 2}
        assert {row["text"] for split in sources.SPLITS for row in rows[split]} == texts
        said = "validation (2 lines) and test (2 lines) cut from train by a fixed seed\n"
        assert capsys.readouterr().out == said

    def test_max_train(self, folder):
        rows = data.read(Config(dataset=str(folder), max_train=3))
        assert counts(rows) == {**FULL, "train": 3}
        assert [os.path.basename(row["file_name"]) for row in rows["train"]] == [
            "train_0.flac",
            "train_1.flac",
            "train_2.flac",
        ]

    def test_no_transcript_is_left_out_and_counted(self, folder, capsys):
        path = folder / "train.jsonl"
        rows = tiny.read_lines(path)
        rows[6]["text"] = " \t"
        tiny.write_lines(path, rows)
        train = data.read(Config(dataset=str(folder)))["train"]
        kept = [row["text"] for row in rows if row["text"].strip()]
        assert [row["text"] for row in train] == kept and len(kept) == 22
        said = (
            f"train: 1 of 23 left out, the first is {path}:7 (field 'text' is empty: 1); "
            "22 remain\n"
        )
        assert capsys.readouterr().out == said

    def test_more_than_a_few_without_a_transcript(self, folder):
        path = folder / "train.jsonl"
        rows = tiny.read_lines(path)
        rows[1]["text"] = rows[2]["text"] = ""
        tiny.write_lines(path, rows)
        with pytest.raises(UserError) as caught:
            data.read(Config(dataset=str(folder)))
        assert str(caught.value) == (
            f"train: 2 of 23 left out, the first is {path}:2 (field 'text' is empty: 2); "
            "--max-skipped 0.09 would allow it"
        )

    def test_no_audio_is_there(self, folder):
        for path in folder.glob("test_*.flac"):
            path.unlink()
        with pytest.raises(UserError, match=r"none of the files .* not even .*test_0\.flac"):
            data.read(Config(dataset=str(folder)))

    def test_the_built_in_spoken_numbers(self, monkeypatch, tmp_path):
        monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path))
        makers = {"spoken-numbers": lambda to: tiny.write_tones(to, **FULL)}
        monkeypatch.setattr(data, "DATA", replace(data.DATA, builtin=makers))
        rows = data.read(Config())
        assert counts(rows) == FULL
        made = tmp_path / "datasets" / f"spoken-numbers-{spoken_numbers.VERSION}"
        assert rows["test"][0]["file_name"] == str(made / "test_0.flac")


class TestUtterances:
    def test_spectrograms_of_a_model_of_our_own_and_samples_of_a_whisper(self, folder):
        rows = data.read(Config(dataset=str(folder)), ("test",))["test"]
        (folder / "test_1.flac").write_bytes(b"no audio")
        kept = [row for row in rows if not row["file_name"].endswith("test_1.flac")]
        for config in (Config(), pretrained("whisper_tiny_en")):
            found = data.listen(rows, config)
            assert found.rows == kept
            samples = [audio_files.read(row["file_name"]) for row in kept]
            np.testing.assert_allclose(
                found.seconds[:, 0], [(1 + len(each) // 160) / 100 for each in samples]
            )
            assert (found.store is None) == (config.whisper is not None)
            heard = found.heard_by(LogMels(None, 30.0))
            for mel, each in zip(heard, samples, strict=True):
                np.testing.assert_allclose(mel, log_mel(each), atol=0.02)  # A store has 16 bits.
            for found_, each in zip(found.recordings, samples, strict=True):
                np.testing.assert_array_equal(found_, each)

    def test_a_whisper_computes_no_spectrograms(self, folder, monkeypatch):
        monkeypatch.setattr(data, "MelStore", None)
        rows = data.read(Config(dataset=str(folder)), ("test",))["test"]
        found = data.listen(rows, pretrained("whisper_tiny_en"))
        assert found.heard_by(WhisperMels(Extractor(), 30.0)) is found.recordings
        assert found.hours([[1], None, None]) == pytest.approx(found.seconds[0, 0] / 3600)

    def test_training_hears_all_speeds(self, folder):
        rows = data.read(Config(dataset=str(folder)), ("validation",))["validation"]
        config = Config(speed_perturbation=True)
        found = data.listen(rows, config, training=True)
        assert found.seconds.shape == (3, 3)
        ratios = found.seconds / found.seconds[:, 1:2]
        np.testing.assert_allclose(ratios, np.tile([1 / 0.9, 1, 1 / 1.1], (3, 1)), rtol=0.03)
        assert len(found.heard_by(LogMels(None, 30.0))) == 3
        limited = data.limit_pieces(found, config)
        assert limited.max_seconds == pytest.approx(1.25 * found.seconds.max())
        assert data.limit_pieces(found, replace(config, max_seconds=0.5)).max_seconds == 0.5

    def test_paths_arrays_and_lines(self, folder):
        samples = tiny.sing(["do"])[0]
        path = folder / "test_0.flac"
        inputs = [path, str(path), samples, {"file_name": str(path), "text": "a"}]
        found = data.Utterances.of(inputs)
        path = str(path)
        assert found.rows == [
            *(2 * [{"file_name": path}]),
            {"file_name": ""},
            {"file_name": path, "text": "a"},
        ]
        assert found.recordings[2] is samples
        assert found.recordings[0] is found.recordings[1] is found.recordings[3]


TEXTS = {"librispeech": "MISTER QUILTER", "speech_commands": "no", "ljspeech": "in ten years"}


@pytest.mark.parametrize(
    ("name", "rate", "parts"),
    [
        ("librispeech/clean100", 16_000, ("train_clean100", "dev_clean", "test_clean")),
        ("librispeech/other", 16_000, ("train_other500", "dev_other", "test_other")),
        ("speech_commands", 16_000, ("train", "validation", "test")),
        ("ljspeech", 22_050, ("train",)),
    ],
)
def test_tensorflow_data_sets(monkeypatch, tmp_path, name, rate, parts):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    first = np.array([0, 1, -2, 3_000, -32_768, 32_767, 7], np.int16)

    def as_dataset(builder, split, decoders, **kwargs):
        found = decoders.extract_features(builder.info.features)
        values = {"text": " MISTER QUILTER ", "label": 3, "text_normalized": "in ten years"}
        texts = {key: [values[key]] * 11 for key in found if key in values}
        sounds = {key: waves[split] for key in found if key in ("speech", "audio")}
        return tf.data.Dataset.from_tensor_slices({**texts, **sounds})

    everything = {*parts, *(("train_clean360", "test_other") if "libri" in name else ())}
    # No two are equal: those would stay on one side.
    waves = {
        part: np.stack([first + np.int16(100) * (11 * k + i) for i in range(11)])
        for k, part in enumerate(sorted(everything))
    }
    infos = {
        part: tfds.core.SplitInfo(
            name=part, shard_lengths=[11], num_bytes=0, filename_template=None
        )
        for part in everything
    }
    monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path))
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        monkeypatch.setattr(tfds.core.DatasetInfo, "splits", infos)
        rows = data.read(Config(dataset=f"tfds:{name}"))
    cut = {"train": 9, "validation": 1, "test": 1}
    assert counts(rows) == (cut if len(parts) == 1 else dict.fromkeys(sources.SPLITS, 11))
    for split, part in zip(sources.SPLITS, parts * 3, strict=False):
        for row in rows[split]:
            assert os.path.isabs(row["file_name"]) and f"/audio/{part}-" in row["file_name"]
            assert row["text"] == TEXTS[name.split("/")[0]]
            samples, found = soundfile.read(row["file_name"], dtype="int16")
            assert found == rate
            number = int(row["file_name"].rpartition("-")[2].removesuffix(".flac"))
            np.testing.assert_array_equal(samples, waves[part][number])


def test_what_is_left_out_is_told_by_its_reason(capsys):
    config = Config(max_seconds=3.0, max_target=7)
    rows = [
        {"file_name": f"{number}.wav", "text": text}
        for number, text in enumerate(["ab", "ab", "abcdefg", "aabbc", "ab"])
    ]
    seconds = np.array([[1.0], [3.5], [2.0], [0.2], [9.0]])
    utterances = SimpleNamespace(rows=rows, seconds=seconds)
    tokenizer = Units.train(["abcdefg"], 20, "character")
    front_end = SimpleNamespace(max_seconds=3.0)
    left_out.begin(most=0.9)
    found = data.encode(utterances, tokenizer, front_end, config)
    assert [ids is not None for ids in found] == [True, False, False, False, False]
    assert capsys.readouterr().out == (
        "train: 4 of 5 left out, the first is 1.wav (longer than --max-seconds 3: 2; text of "
        "--max-target 7 units or more: 1; too short for CTC to write its text: 1); 1 remain\n"
    )
