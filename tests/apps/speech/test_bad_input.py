"""Bad input gets one line on standard error and exit status 2, and no traceback."""

import re

import numpy as np
import pytest
import soundfile

from apps.speech import evaluate, predict, train
from tests.apps.speech import tiny
from tests.apps.speech.tiny import refused


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class TestFlags:
    @pytest.mark.parametrize(
        ("main", "flags", "message"),
        [
            (train.main, "--epoch 3", "unknown flag --epoch; the nearest known flag is --epochs"),
            (train.main, "--preset an5", "unknown preset 'an5'. The known ones are an4"),
            (train.main, "--preset whisper_tiny_em", "unknown Whisper .*mean whisper_tiny_en?"),
            (train.main, "--preset ./whisper", "there is no folder ./whisper"),
            (
                train.main,
                "--preset ./a --dim 8",
                "--dim is of no use to the pretrained",
            ),
            (train.main, "--preset ./a --max-target 445", "--max-target of a Whisper must be"),
            (evaluate.main, "--preset an4", "unknown preset 'an4'."),
            (predict.main, "--preset an4 --input a.wav", "unknown preset 'an4'."),
            (evaluate.main, "--preset ./whisper", "there is no folder ./whisper"),
            (train.main, "--encoder confomer", "--encoder takes .*; did you mean conformer"),
            (train.main, "--decoder none --ctc-weight 0", "--decoder none is CTC alone"),
            (train.main, "--dataset spoken-number", "unknown data set .*spoken-numbers"),
            (train.main, "--dataset ./nowhere", "there is no folder"),
            (train.main, "--language-model-weight 1", "--language-model-weight goes with --decode"),
            (evaluate.main, "--run nowhere", ".*nowhere"),
            (predict.main, "--run nowhere --input a.wav", ".*nowhere"),
        ],
    )
    def test_is_named(self, main, flags, message, capsys):
        assert re.match(f"error: {message}", refused(main, flags.split(), capsys))


class TestSounds:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [(b"", "the file is empty"), (b"no sound at all", "not in a format")],
    )
    def test_what_is_no_sound(self, trained, tmp_path, content, reason, capsys):
        (tmp_path / "a.wav").write_bytes(content)
        line = refused(predict.main, ["--run", trained.run, "--input", tmp_path / "a.wav"], capsys)
        assert line.startswith(f"error: cannot read {tmp_path}/a.wav as a sound: {reason}")

    def test_none(self, trained, tmp_path, capsys):
        line = refused(predict.main, ["--run", trained.run], capsys)
        assert line == "error: --input is missing: a sound file, or a folder of them"
        line = refused(predict.main, ["--run", trained.run, "--input", tmp_path / "b.wav"], capsys)
        assert line.startswith("error: there is no sound or folder")

    def test_of_any_kind_in_one_folder(self, trained, tmp_path, capsys):
        melody = tiny.sing(["do", "re", "mi"])[0]
        soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
        soundfile.write(tmp_path / "b.wav", np.zeros(1), 16000)
        soundfile.write(tmp_path / "c.wav", np.stack([melody, melody], 1), 96000)
        soundfile.write(tmp_path / "d.wav", melody, 16000, subtype="PCM_U8")
        soundfile.write(tmp_path / "e.ogg", melody, 16000)
        (tmp_path / "f.wav").write_text("text")
        predict.main(tiny.flags(run=trained.run, input=tmp_path, output=tmp_path / "maps"))
        out, err = capsys.readouterr()
        names = [line.split("\t")[0] for line in out.splitlines()]
        assert names == [
            str(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav", "d.wav", "e.ogg")
        ]
        assert f"skipped: cannot read {tmp_path}/f.wav as a sound: not in a format" in err
        assert (tmp_path / "maps" / "index.html").is_file()


def test_an_empty_transcript_is_left_out_and_counted(tones_folder, tmp_path, capsys):
    rows = tiny.read_lines(tones_folder / "train.jsonl")[:7]
    for row in rows:
        row["file_name"] = str(tones_folder / row["file_name"])
    rows[2]["text"] = " "
    for split in ("train", "validation", "test"):
        tiny.write_lines(tmp_path / f"{split}.jsonl", rows if split == "train" else rows[:2])
    settings = {**tiny.SETTINGS, "epochs": 1, "decoder": "none"}
    train.main(tiny.flags(dataset=tmp_path, name="tiny", **settings))
    out = capsys.readouterr().out
    assert "6 training utterances" in out and "train.jsonl:3" in out


def test_a_text_for_the_language_model_is_read_before_there_is_a_run(
    tones_folder, tmp_path, capsys
):
    flags = tiny.flags(dataset=tones_folder, language_model_text="corpus", **tiny.SETTINGS)
    assert refused(train.main, flags, capsys) == "error: there is no file corpus"
    assert not (tmp_path / "runs").exists()
