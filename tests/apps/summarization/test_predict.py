import io
import json
import sys

import pytest

from apps.summarization import predict
from apps.summarization.config import Prediction
from pipelines.maps import attention_maps
from tests.apps.summarization import tiny
from tests.apps.summarization.tiny import refused

SHOWN = "attention maps: "
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


def test_an_argument_a_file_and_standard_input_are_one_document(standard_input, tmp_path):
    document = "Kim saw Lee.\n\nThere Lee bought boats."
    path = tmp_path / "document.txt"
    path.write_bytes(b"\xef\xbb\xbf" + document.replace("\n", "\r\n").encode())
    standard_input(document.encode())
    read = [predict.read(Prediction(input=text), None) for text in (document, str(path), "-")]
    assert read == [[document], [document.replace("\n", "\r\n")], [document]]


def test_as_many_lines_as_documents(trained, summarize, tmp_path):
    lines = tiny.read_lines(trained.run / "summaries_test.jsonl")
    # Of a text all lines are one document, and what is behind the longest does not count.
    first = lines[0]["document"].replace(". ", ".\n\n")
    rows = [
        {"document": first},
        {"document": "  "},
        {"document": lines[1]["document"], "summary": "which nobody reads"},
        {"document": ""},
        {"document": f"Lamika {' '.join(ODD)}\u2028saw it.\x85There\tLamika\nbought clocks."},
        {"document": "."},
        {"document": " ".join(lines[2]["document"].split() * 2_000)},
        {"document": " ".join(lines[2]["document"].split() * 20)},
    ]
    path = tmp_path / "documents.jsonl"
    tiny.write_lines(path, rows)
    out, said, folder = summarize(path)
    assert len(out) == len(rows)
    assert said == ["2 of 8 documents truncated to 40 tokens"]
    assert out[:4] == [lines[0]["generated"], "", lines[1]["generated"], ""]
    assert out[6] == out[7]
    maps = attention_maps.load_npz(folder / "maps.npz")
    written = [line for line in out if line]
    assert [" ".join(map_.words) for map_ in maps.values()] == written
    page = (folder / "index.html").read_text("utf-8")
    # Chinese comes by character.
    assert all(word in page for word in (*ODD[:-1], *ODD[-1]))


def test_nothing_but_empty_documents(summarize, tmp_path):
    path = tmp_path / "documents.jsonl"
    tiny.write_lines(path, [{"document": ""}, {"document": " \n"}])
    out, said, folder = summarize(path)
    assert (out, said) == (["", ""], [])
    assert attention_maps.load_npz(folder / "maps.npz") == {}


@pytest.mark.slow
def test_from_the_command_line(trained, copied, tmp_path):
    line = tiny.read_lines(trained.run / "summaries_test.jsonl")[0]
    result = tiny.finish("predict", "--input", line["document"], "--run", copied, folder=tmp_path)
    page = copied / "predictions" / "index.html"
    assert (result.status, result.err) == (0, f"{SHOWN}{page}\n")
    assert result.out == f"{line['generated']}\n"
    assert page.is_file() and (copied / "predictions" / "01.png").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.txt", "there is no file none.txt"),
        ("", "--input is empty: a text, a file of texts, or - for standard input"),
        ("-", "standard input is empty"),
        ("empty.txt", "empty.txt is empty"),
        ("latin.txt", "latin.txt:2: not in UTF-8"),
        (
            "bad.jsonl",
            "bad.jsonl:2: expected an object with a text in one of 'document', 'source', 'text'",
        ),
    ],
)
def test_an_input_that_cannot_be_read(
    trained, standard_input, tmp_path, monkeypatch, capsys, text, message
):
    monkeypatch.chdir(tmp_path)
    standard_input(b"")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes("un\nété".encode("latin-1"))
    (tmp_path / "bad.jsonl").write_text(json.dumps({"document": "a"}) + '\n{"document": ["a"]}\n')
    line = refused(predict.main, tiny.flags(run=trained.run, input=text), capsys)
    assert line == f"error: {message}"
