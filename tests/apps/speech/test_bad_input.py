import numpy as np
import pytest
import soundfile

from apps.speech import predict
from tests.apps.contract import BadInput
from tests.apps.speech import tiny


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return tiny.write_tones(tmp_path / "set", train=5, validation=1, test=1)


@pytest.fixture(autouse=True)
def one(tmp_path):
    """The file that `predict` is asked for."""
    soundfile.write(tmp_path / "one.wav", tiny.sing(["do", "re"])[0], 16000)


class TestBadInput(BadInput):
    application = "speech"
    built_in = "spoken-numbers"
    settings = tiny.SETTINGS
    asked = {"input": "one.wav"}  # noqa: RUF012
    tfds = ("librispeec", "librispeech")
    public = "tfds:librispeech"
    wrong_flags = (
        ("train", "--encoder confomer", "--encoder takes .*; did you mean conformer"),
        ("train", "--decoder none --ctc-weight 0", "--decoder none is CTC alone"),
        ("train", "--language-model-weight 1", "--language-model-weight goes with --decode"),
        ("train", "--preset an5", "unknown preset 'an5'. The known ones are an4"),
        ("train", "--preset whisper_tiny_em", "unknown Whisper .*mean whisper_tiny_en?"),
        ("train", "--preset ./whisper", "there is no folder ./whisper"),
        ("train", "--preset ./a --dim 8", "--dim is of no use to the pretrained"),
        ("train", "--preset ./a --noise", "--noise is of no use to the pretrained"),
        ("train", "--preset ./a --max-target 445", "--max-target of a Whisper must be"),
        ("evaluate", "--preset an4", "unknown preset 'an4'."),
        ("evaluate", "--preset ./whisper", "there is no folder ./whisper"),
        ("evaluate", "--preset ./whisper --decode ctc", "--decode ctc goes with ctc, which"),
        ("predict", "--preset an4 --input one.wav", "unknown preset 'an4'."),
        ("predict", "--run nowhere", "--input is missing"),
    )
    bad_lines = (
        ('{"file_name": "a.flac"}', "field 'text' is missing"),
        ('{"text": "one"}', "field 'file_name' is missing"),
        ('{"file_name": "a.flac", "text": ["one"]}', "must be a text, not a list"),
        ('{"file_name": "", "text": "one"}', "field 'file_name' is empty"),
    )

    @pytest.mark.parametrize("command", ["evaluate", "predict"])
    def test_a_number_out_of_range_for_a_finished_run(self, refuse, trained, command):
        asked = self.asked if command == "predict" else {}
        for flag in ("--beams 0", "--decode-ctc-weight 1.5", "--length-penalty -1"):
            line = refuse(command, *flag.split(), run=trained.run, **asked)
            assert line.startswith(f"error: {flag.split()[0]} must be ")

    @pytest.mark.parametrize("name", ["tokenizer.json", "normalization.json"])
    def test_damaged_preprocessing(self, refuse, copied, name):
        (copied / name).write_text('{"model": 1}')
        line = refuse("predict", run=copied, **self.asked)
        assert line.startswith(f"error: {copied / name}")

    def test_a_damaged_language_model_where_it_counts(self, refuse, copied):
        (copied / "ngrams.json").write_text("[]")
        beam = {"decode": "ctc_beam", "language_model_weight": 0.5}
        line = refuse("predict", run=copied, **beam, **self.asked)
        assert line.startswith(f"error: {copied / 'ngrams.json'}")

    def test_a_text_for_the_language_model_that_is_missing(self, refuse, folder):
        settings = {**self.settings, "language_model_text": "corpus"}
        assert refuse("train", dataset=folder, **settings) == "error: there is no file corpus"

    def test_no_audio_that_can_be_read(self, refuse, folder):
        for path in folder.glob("train_*.flac"):
            path.write_bytes(b"fLaC")
        line = refuse("train", dataset=folder, **self.settings)
        assert line.startswith(f"error: {folder / 'train_0.flac'}: ")
        assert line.endswith(" (and so all 5)")

    def test_no_utterance_that_can_be_learnt(self, refuse, folder):
        line = refuse("train", dataset=folder, **{**self.settings, "max_seconds": 0.1})
        assert line.startswith(f"error: {folder / 'train_0.flac'}: longer than --max-seconds 0.1 (")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [(b"", "the file is empty"), (b"no audio at all", "not in a format")],
    )
    def test_an_input_that_is_no_audio(self, refuse, trained, tmp_path, content, reason):
        (tmp_path / "a.wav").write_bytes(content)
        line = refuse("predict", run=trained.run, input=tmp_path / "a.wav")
        assert line.startswith(f"error: cannot read {tmp_path}/a.wav as audio: {reason}")

    def test_an_input_that_is_missing(self, refuse, trained):
        line = refuse("predict", run=trained.run, input="b.wav")
        assert line == "error: there is no audio file or folder b.wav"

    def test_a_folder_without_audio_that_can_be_read(self, trained, tmp_path, capsys):
        (tmp_path / "one.wav").write_bytes(b"no audio")
        (tmp_path / "two.wav").write_bytes(b"")
        with pytest.raises(SystemExit) as exit_:
            predict.main(tiny.flags(run=trained.run, input=tmp_path))
        assert exit_.value.code == 2
        *skipped, line = capsys.readouterr().err.splitlines()
        assert [each.split(" as audio")[0] for each in skipped] == [
            f"skipped: cannot read {tmp_path}/{name}.wav" for name in ("one", "two")
        ]
        assert line == "error: none of the audio files can be read"


def test_a_folder_of_all_kinds_of_audio(trained, tmp_path, capsys):
    melody = tiny.sing(["do", "re", "mi"])[0]
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "b.wav", np.zeros(1), 16000)
    soundfile.write(tmp_path / "c.wav", np.stack([melody, melody], 1), 96000)
    (tmp_path / "f.wav").write_text("text")
    flags = {"run": trained.run, "input": tmp_path, "output": tmp_path / "maps", "decode": "ctc"}
    predict.main(tiny.flags(**flags))
    out, err = capsys.readouterr()
    names = [line.split("\t")[0] for line in out.splitlines()]
    assert names == [str(tmp_path / f"{name}.wav") for name in ("a", "b", "c", "one")]
    skipped, maps = err.splitlines()
    assert skipped.startswith(f"skipped: cannot read {tmp_path}/f.wav as audio: not in a format")
    assert maps == f"attention maps: {tmp_path / 'maps' / 'index.html'}"
    assert (tmp_path / "maps" / "index.html").is_file()
