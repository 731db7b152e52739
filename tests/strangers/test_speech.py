"""Transcribed speech as public data sets hold it."""

import json

import pytest

from pipelines.commands.errors import UserError
from tests.strangers.trees import SPEECH, read, write

ONE, TWO = "hello, world", "good bye"
ROWS = [
    {"audio_filepath": f"audio/{n}.wav", "duration": 1.5, "offset": 0.0, "text": text}
    for n, text in ((1, ONE), (2, TWO))
]
MANIFEST = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    "files",
    [
        {"metadata.csv": "1|hello &c.|hello, world\n2|good bye|good bye\n"},
        {"metadata.csv": 'file_name,transcription\n1.wav,"hello, world"\n2.wav,good bye\n'},
        {"line_index.tsv": "1\thello, world\n2\tgood bye\n"},
        {"manifest.json": MANIFEST},
        {"train_manifest.jsonl": MANIFEST},
        {
            "wav.scp": "u1 audio/1.wav\nu2 audio/2.wav\n",
            "text": "u1 hello, world\nu2 good bye\n",
            "utt2spk": "u1 a\n",
        },
        {"transcript/all_transcript_v0.8.txt": "1 hello, world\n2 good bye\n"},
        {"transcripts.txt": "1\thello, world\n2\tgood bye\n"},
        {"audio/a.trans.txt": "1 hello, world\n2 good bye\n"},
        {"txt/1.txt": "hello, world\n", "txt/2.txt": "good bye"},
        {"audio/1.lab": "hello, world", "audio/2.lab": "good bye"},
        {
            "train.csv": 'wav_filename,wav_filesize,transcript\naudio/1.wav,9,"hello, world"\n'
            "audio/2.wav,9,good bye\n"
        },
        {"filelist.txt": "audio/1.wav|hello, world\naudio/2.wav|good bye\n"},
        {
            "validated.tsv": "client_id\tpath\tsentence\tup_votes\nx\t1.mp3\thello, world\t2\n"
            "x\t2.mp3\tgood bye\t2\n"
        },
    ],
    ids=lambda files: next(iter(files)),
)
def test_files_and_their_texts(tmp_path, files):
    end = ".mp3" if "validated.tsv" in files else ".wav"
    write(write(tmp_path, [f"audio/1{end}", f"audio/2{end}"]), files)
    splits, reasons = read(tmp_path, SPEECH)
    assert splits == {"train": [(f"audio/1{end}", ONE), (f"audio/2{end}", TWO)]}
    assert reasons == []


@pytest.mark.parametrize(
    ("files", "train", "test"),
    [
        # Common Voice of a language, in the folder of its archive.
        (
            {
                "cv/hi/train.tsv": "client_id\tpath\tsentence\nx\ta.mp3\tone\n",
                "cv/hi/test.tsv": "client_id\tpath\tsentence\nx\tb.mp3\ttwo\n",
                "cv/hi/validated.tsv": "client_id\tpath\tsentence\nx\ta.mp3\tone\nx\tb.mp3\ttwo\n",
            },
            "cv/hi/clips/a.mp3",
            "cv/hi/clips/b.mp3",
        ),
        # LibriSpeech, AISHELL, Kaldi, MLS.
        (
            {
                "L/train-clean-100/8/9/8-9.trans.txt": "a one\n",
                "L/test-clean/7/5/7-5.trans.txt": "b two\n",
            },
            "L/train-clean-100/8/9/a.flac",
            "L/test-clean/7/5/b.flac",
        ),
        (
            {"transcript/aishell_v0.8.txt": "a one\nb two\n"},
            "wav/train/S1/a.wav",
            "wav/test/S2/b.wav",
        ),
        (
            {
                "data/train/wav.scp": "u1 wav/a.wav\n",
                "data/train/text": "u1 one\n",
                "data/test/wav.scp": "u2 wav/b.wav\n",
                "data/test/text": "u2 two\n",
            },
            "wav/a.wav",
            "wav/b.wav",
        ),
        (
            {"mls/train/transcripts.txt": "a\tone\n", "mls/test/transcripts.txt": "b\ttwo\n"},
            "mls/train/audio/1/2/a.flac",
            "mls/test/audio/1/2/b.flac",
        ),
        # VCTK's way, in splits.
        (
            {"train/txt/p1/a.txt": "one", "test/txt/p2/b.txt": "two"},
            "train/wav48/p1/a.wav",
            "test/wav48/p2/b.wav",
        ),
        (
            {
                "train/metadata.csv": "file_name,text\na.wav,one\n",
                "test/metadata.csv": "file_name,text\nb.wav,two\n",
            },
            "train/a.wav",
            "test/b.wav",
        ),
    ],
    ids=["common-voice", "librispeech", "aishell", "kaldi", "mls", "vctk", "hf"],
)
def test_splits(tmp_path, files, train, test):
    write(write(tmp_path, files), [train, test])
    splits, reasons = read(tmp_path, SPEECH)
    assert (splits, reasons) == ({"train": [(train, "one")], "test": [(test, "two")]}, [])


def test_speech_commands_have_lists_and_noise_that_is_no_word(tmp_path, capsys):
    write(
        tmp_path, ["bed/a.wav", "bed/b.wav", "cat/c.wav", "cat/d.wav", "_background_noise_/x.wav"]
    )
    write(tmp_path, {"validation_list.txt": "bed/b.wav\n", "testing_list.txt": "cat/d.wav\n"})
    splits, reasons = read(tmp_path, SPEECH)
    assert splits == {
        "train": [("bed/a.wav", "bed"), ("cat/c.wav", "cat")],
        "validation": [("bed/b.wav", "bed")],
        "test": [("cat/d.wav", "cat")],
    }
    said = capsys.readouterr().out
    assert "a folder for each text, its name, and lists of splits" in said
    assert "_background_noise_ is no class: not used" in said and reasons == []


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"wav.scp": "a sph2pipe x.sph |\nb b.wav\n", "text": "a one\nb two\n"},
            "wav.scp names a command, not a file",
        ),
        ({"wav.scp": "b b.wav\n", "text": "a one\nb two\n"}, "no such utterance in wav.scp"),
        (
            {
                "m.jsonl": '{"audio_filepath": "a.wav", "text": "one", "offset": 2.5}\n'
                '{"audio_filepath": "b.wav", "text": "two", "offset": 0, "duration": 1}'
            },
            "a part of a longer file: cut the files into utterances first",
        ),
        ({"metadata.csv": "a|\nb|two words\nb|or three\n"}, "field 'text' is empty"),
    ],
)
def test_what_is_no_example_is_counted(tmp_path, files, reason):
    write(write(tmp_path, ["a.wav", "b.wav"]), files)
    splits, reasons = read(tmp_path, SPEECH)
    assert reasons == [reason]
    assert {path for path, _ in splits["train"]} == {"b.wav"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["stm/talk.stm", "sph/talk.sph"], "talk.stm looks like TED-LIUM"),
        (
            {"data/wav.scp": "a a.wav\n", "data/text": "a one\n", "data/segments": "a b 0 1\n"},
            "data has segments, parts of longer",
        ),
        (
            ["wavs/a.wav"],
            "It holds audio files, but nothing that tells their text: add metadata.csv",
        ),
        (["wavs/a.jpg"], "It holds images: another application is for them."),
    ],
)
def test_what_is_refused(tmp_path, files, said):
    write(tmp_path, files)
    with pytest.raises(UserError) as caught:
        read(tmp_path, SPEECH)
    assert said in str(caught.value)
