import io
import json
import sys

import numpy as np
import pytest

from apps.summarization import predict
from pipelines.maps import attention_maps
from tests.apps.summarization import tiny
from tests.apps.summarization.tiny import refused

SHOWN = "what the words looked at: "
ODD = ("🐕", "👩‍🚀", "مرحبا", "بِكَ", "一只红色的狗")


@pytest.fixture
def summarize(trained, tmp_path, capsys):
    """Runs the command here; its lines on both outputs, and the folder of its maps."""

    def run(text, **settings):
        folder = tmp_path / "maps"
        predict.main(tiny.flags(run=trained.run, input=text, output=folder, **settings))
        out, err = capsys.readouterr()
        *said, shown = err.splitlines()
        assert shown == f"{SHOWN}{folder}/index.html"
        assert out.endswith("\n")
        return out.removesuffix("\n").split("\n"), said, folder

    return run


@pytest.fixture
def standard_input(monkeypatch):
    def put(raw):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))

    return put


def known(trained):
    """What the test split was summarized to."""
    return tiny.read_lines(trained.run / "summaries_test.jsonl")


def test_an_argument_a_file_and_standard_input(trained, summarize, standard_input, tmp_path):
    line = known(trained)[0]
    # Of a file all lines are one document.
    document = line["document"].replace(". ", ".\n\n")
    expected = " ".join(line["generated"].split())
    assert summarize(line["document"])[0] == [expected]
    path = tmp_path / "document.txt"
    path.write_bytes(b"\xef\xbb\xbf" + document.replace("\n", "\r\n").encode())
    assert summarize(path) == ([expected], [], tmp_path / "maps")
    standard_input(document.encode())
    assert summarize("-")[0] == [expected]


def test_as_many_lines_as_documents(trained, summarize, tmp_path):
    lines = known(trained)
    rows = [
        {"document": lines[0]["document"]},
        {"document": "  "},
        {"document": lines[1]["document"], "summary": "which nobody reads"},
        {"document": ""},
        {"document": f"Lamika {' '.join(ODD)}\u2028saw it.\x85There\tLamika\nbought clocks."},
        {"document": "."},
    ]
    path = tmp_path / "documents.jsonl"
    tiny.write_lines(path, rows)
    out, said, folder = summarize(path)
    assert len(out) == len(rows) and said == []
    assert [out[0], out[1], out[2], out[3]] == [
        lines[0]["generated"],
        "",
        lines[1]["generated"],
        "",
    ]
    maps = attention_maps.load_npz(folder / "maps.npz")
    written = [line for line in out if line]
    assert [" ".join(map_.words) for map_ in maps.values()] == written
    page = (folder / "index.html").read_text("utf-8")
    assert all(word in page for word in ODD)


def test_nothing_but_empty_documents(summarize, tmp_path):
    path = tmp_path / "documents.jsonl"
    tiny.write_lines(path, [{"document": ""}, {"document": " \n"}])
    out, said, folder = summarize(path)
    assert (out, said) == (["", ""], [])
    assert attention_maps.load_npz(folder / "maps.npz") == {}


def test_a_long_document_is_cut_and_that_is_said(trained, summarize):
    words = known(trained)[0]["document"].split() * 2_000
    out, said, _ = summarize(" ".join(words))
    assert said == ["1 of 1 documents cut to 40 tokens"]
    # Nothing behind what was read counts.
    assert summarize(" ".join(words[:100]))[0] == out


@pytest.mark.slow
def test_sampling_follows_its_seed(trained, summarize):
    document = known(trained)[0]["document"]

    def sampled(seed):
        settings = {"decode": "sample", "top_p": 1.0, "temperature": 9.0, "seed": seed}
        return summarize(document, **settings)[0]

    assert sampled(1) == sampled(1) != sampled(2)


def test_beam_search_and_lengths(trained, summarize):
    document = known(trained)[0]["document"]
    (short,), _, folder = summarize(document, decode="beam", beams=3, max_target=3, min_length=2)
    assert 1 <= len(short.split()) <= 3
    (map_,) = attention_maps.load_npz(folder / "maps.npz").values()
    np.testing.assert_allclose(map_.weights.sum(axis=1), 1, atol=1e-3)


def test_from_the_command_line(trained, copied, tmp_path):
    document = known(trained)[0]["document"]
    result = tiny.finish("predict", "--input", document, "--run", copied, folder=tmp_path)
    page = copied / "predictions" / "index.html"
    assert (result.status, result.err) == (0, f"{SHOWN}{page}\n")
    assert result.out == f"{known(trained)[0]['generated']}\n"
    assert page.is_file() and (copied / "predictions" / "01.png").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.txt", "there is no file none.txt"),
        ("", "--input is empty: a text, a file of texts, or - for standard input"),
        ("empty.txt", "empty.txt is empty"),
        ("latin.txt", "latin.txt:2: not in UTF-8"),
        (
            "bad.jsonl",
            "bad.jsonl:2: expected an object with a text in one of 'document', 'source', 'text'",
        ),
    ],
)
def test_an_input_that_cannot_be_read(copied, tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes("un\nété".encode("latin-1"))
    (tmp_path / "bad.jsonl").write_text(json.dumps({"document": "a"}) + '\n{"document": ["a"]}\n')
    line = refused(predict.main, tiny.flags(run=copied, input=text), capsys)
    assert line == f"error: {message}"


def test_standard_input_without_a_document(copied, standard_input, capsys):
    standard_input(b"")
    line = refused(predict.main, ["--run", copied], capsys)
    assert line == "error: standard input is empty"


def test_an_output_that_is_a_file(copied, tmp_path, capsys):
    (tmp_path / "file").touch()
    flags = tiny.flags(run=copied, input="Kim saw Lee.", output=tmp_path / "file")
    assert f"{tmp_path}/file" in refused(predict.main, flags, capsys)
