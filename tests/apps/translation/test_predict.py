import io
import sys
from types import SimpleNamespace

import pytest

from apps.translation import predict
from pipelines.maps import attention_maps
from tests.apps.translation import tiny

DATE = "17 May 1999"


@pytest.fixture
def translate(trained, tmp_path, capfd):
    """Runs the command; the lines of both outputs."""

    def translate(input_, **settings):
        capfd.readouterr()
        settings = {"run": trained.run, "output": tmp_path / "maps", **settings}
        predict.main(["--input", str(input_), *tiny.flags(**settings)])
        out, err = capfd.readouterr()
        assert out.endswith("\n")
        return out.removesuffix("\n").split("\n"), err.splitlines()

    return translate


@pytest.mark.slow
def test_from_the_command_line_by_a_pipe(copied, tmp_path):
    process = tiny.start("predict", "--run", copied, "--input", DATE, folder=tmp_path)
    out, err = process.communicate(timeout=300)
    page = copied / "predictions" / "index.html"
    assert (process.returncode, err) == (0, f"attention maps: {page}\n")
    (line,) = out.splitlines()
    assert line.strip() and page.is_file()


def test_the_translations_are_those_of_the_evaluation(trained, translate, tmp_path):
    lines = tiny.read_lines(trained.run / "translations_test.jsonl")
    path = tmp_path / "a.txt"
    path.write_text("\n".join(line["source"] for line in lines))
    out, err = translate(path, decode_batch_size=3)
    assert out == [line["translation"] for line in lines]
    assert err == [f"attention maps: {tmp_path / 'maps' / 'index.html'}"]
    maps = attention_maps.load_npz(tmp_path / "maps" / "maps.npz")
    assert ["".join(map_.words) for map_ in maps.values()] == out
    assert len(list((tmp_path / "maps").glob("*.png"))) == 7


def test_a_run_that_cannot_be_written_to_answers_all_the_same(copied, tmp_path, capfd):
    (tmp_path / "mine").mkdir()
    (copied / "predictions").symlink_to(tmp_path / "mine")
    predict.main(["--input", DATE, "--run", str(copied), "--decode", "greedy"])
    out, err = capfd.readouterr()
    assert out.strip()
    assert err.startswith(f"no attention maps: {copied / 'predictions'} is a link, and nothing is ")
    assert err.endswith("--output FOLDER draws them elsewhere\n")
    assert list((tmp_path / "mine").iterdir()) == []


def test_maps_of_the_first_examples_alone_are_drawn(translate, tmp_path):
    out, err = translate(f"{DATE}\n24 Dec 1987\n1 May 2001", examples=2)
    page = tmp_path / "maps" / "index.html"
    assert len(out) == 3
    assert err == [f"attention maps: {page} (the first 2 of 3: --examples for more)"]
    assert len(attention_maps.load_npz(tmp_path / "maps" / "maps.npz")) == 2


def test_argument_file_and_standard_input_say_the_same(translate, tmp_path, monkeypatch):
    text = f"{DATE}\n\n  \n24 Dec 1987\n\n"
    (tmp_path / "a.txt").write_text(text)
    stdin = SimpleNamespace(buffer=io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    piped, _ = translate("-")
    assert len(piped) == 5
    assert [bool(line) for line in piped] == [True, False, False, True, False]
    assert translate(tmp_path / "a.txt")[0] == piped
    assert translate(text.removesuffix("\n"))[0] == piped
    maps = attention_maps.load_npz(tmp_path / "maps" / "maps.npz")
    assert len(maps) == 2


def test_any_script_and_any_length_is_a_line(translate, tmp_path):
    path = tmp_path / "a.txt"
    lines = ["👋🏽🏳️‍🌈", "١٧ مايو ١٩٩٩", "[END]\u2028[PAD]", "年月日", "word " * 20_000, "7/3/2024"]
    path.write_text("\n".join(lines), "utf-8")
    out, err = translate(path)
    assert len(out) == len(lines) and all(out)
    assert err[0] == "1 of 6 lines truncated to 64 tokens"
    assert err[1:] == [f"attention maps: {tmp_path / 'maps' / 'index.html'}"]
    page = (tmp_path / "maps" / "index.html").read_text("utf-8")
    for line in lines[:2]:
        assert line.split()[0] in page


@pytest.mark.slow
def test_sampling_follows_its_seed(translate):
    def sampled(seed):
        options = {"decode": "sample", "top_p": 1.0, "temperature": 5.0, "seed": seed}
        return translate(DATE, **options)[0]

    assert sampled(1) == sampled(1) != sampled(2)
