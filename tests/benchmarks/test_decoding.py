"""The benchmark of decoding: the same tokens as an uncached search, its tables, one small run."""

import importlib.util
import json
from typing import ClassVar

import numpy as np
import pytest

from benchmarks import decoders, decoding
from benchmarks.workers import WorkerError

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
needs_ctranslate2 = pytest.mark.skipif(
    importlib.util.find_spec("ctranslate2") is None, reason="CTranslate2 is not installed"
)
B, S, T, V = 3, 7, 5, 23
SIZES = {"VOCABULARY": V, "DIM": 8, "DEPTH": 2, "HEADS": 2, "MLP_DIM": 12}


@pytest.fixture
def small(monkeypatch):
    for name, size in {**SIZES, "SOURCE": S, "NEW_TOKENS": T}.items():
        monkeypatch.setattr(decoders, name, size)


def search(model, source, beams):
    """Beam search by whole passes of the model over each candidate."""
    candidates = [(0.0, [])]
    for length in range(T):
        options = []
        for total, found in candidates:
            tokens = np.array([[decoders.START, *found, *[0] * (T - 1 - length)]], "int32")
            logits = model.predict_on_batch({"source": source[None], "tokens": tokens})[0, length]
            log_probs = logits - np.log(np.exp(logits.astype("float64")).sum())
            if length < T - 1:
                log_probs[decoders.END] = -np.inf
            options += [(total + log_probs[token], [*found, token]) for token in range(V)]
        candidates = sorted(options, reverse=True)[:beams]
    return candidates[0][1]


@pytest.mark.parametrize("beams", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_ours_finds_what_a_search_without_caches_finds(beams, small, monkeypatch):
    from tests.layers.backend import randomise

    model = randomise(decoders._encoder_decoder(), scale=1.2)
    monkeypatch.setattr(decoders, "_encoder_decoder", lambda: model)
    found = decoders.prepare("ours", "tensorflow")(batch_size=B, beams=beams)()
    expected = [search(model, source, beams) for source in decoders.sources(B)]
    np.testing.assert_array_equal(found, expected)
    assert len({tuple(row) for row in found.tolist()}) > 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ours xla", marks=pytest.mark.slow),
        pytest.param("ours bfloat16", marks=pytest.mark.slow),
        pytest.param("transformers", marks=needs_transformers),
        pytest.param("transformers bfloat16", marks=needs_transformers),
        pytest.param("ctranslate2", marks=[needs_transformers, needs_ctranslate2]),
    ],
)
@pytest.mark.parametrize("beams", [1, 3])
def test_every_contender_writes_all_tokens(name, beams, small):
    import keras

    policy = keras.config.dtype_policy()
    try:
        found = decoders.prepare(name, "tensorflow")(batch_size=B, beams=beams)()
    finally:
        keras.config.set_dtype_policy(policy)
    assert found.shape == (B, T)
    assert ((found >= 0) & (found < V)).all() and not (found[:, :-1] == decoders.END).any()


def test_the_size_of_ours():
    assert decoders._encoder_decoder().count_params() == pytest.approx(9.4e6, rel=0.02)


@needs_transformers
def test_the_reference_is_of_that_size_too():
    assert decoders._bart().num_parameters() == pytest.approx(9.4e6, rel=0.02)


def result(name, batch_size, beams, seconds, ratio=None, first=9.0):
    return {
        "contender": name,
        "batch_size": batch_size,
        "beams": beams,
        "first_seconds": first,
        "seconds": seconds,
        "ratio": ratio,
    }


def test_the_table():
    results = [
        result("ours", 1, 1, [0.5, 0.25, 4.0], ratio=2.004),
        result("transformers", 1, 1, [1.0, 1.0, 1.0], ratio=1.0),
        result("ours", 32, 4, [0.5, 0.5, 0.5]),
        result("transformers", 32, 4, [2.0, 2.0, 2.0], ratio=1.0),
    ]
    assert decoding.table(results, decoding.speed).splitlines() == [
        "| contender | greedy, batch 1 | beam 4, batch 32 |",
        "| --- | ---: | ---: |",
        "| ours | 128 (x 2.00) | 4,096 |",
        "| transformers | 64 (x 1.00) | 1,024 (x 1.00) |",
    ]


class Fake:
    """A worker that takes 4 seconds where it is `transformers`, and otherwise 1."""

    turns: ClassVar = []

    def __init__(self, name, settings, torch, steps):
        assert torch == name.startswith("transformers") and steps == "benchmarks.decoders"
        assert settings.backend == ("jax" if name == "ours jax" else "tensorflow")
        self.name, self.seconds = name, 4.0 if torch else 1.0

    def ask(self, what, seconds, **place):
        if what == "measure":
            self.turns.append(self.name)
        else:
            self.turns.append((self.name, place["batch_size"], place["beams"]))
        return {"seconds": self.seconds, "first_seconds": 2 * self.seconds}

    def close(self):
        self.turns.append(f"end of {self.name}")


@pytest.fixture
def installed(monkeypatch):
    """All that contenders need looks as if it were installed."""
    find = importlib.util.find_spec
    packages = ("transformers", "ctranslate2")
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: True if name in packages else find(name, *more),
    )


def test_a_run_takes_turns_and_writes_its_files(monkeypatch, tmp_path, capsys, installed):
    monkeypatch.setattr("benchmarks.workers.Worker", Fake)
    monkeypatch.setattr(Fake, "turns", [])
    flags = ["--contenders", "ours", "ours jax", "transformers", "--batch-sizes", "3"]
    flags += ["--beams", "1", "2", "--rounds", "2", "--output", str(tmp_path / "new")]
    decoding.main(flags)
    names = ["ours", "ours jax", "transformers"]
    expected = []
    for beams in (1, 2):
        expected += [(name, 3, beams) for name in names] + names * 2
    assert Fake.turns == expected + [f"end of {name}" for name in names]

    report = json.loads((tmp_path / "new" / "decoding.json").read_text())
    assert report["results"][0] == result("ours", 3, 1, [1.0, 1.0], ratio=4.0, first=2.0)
    text = (tmp_path / "new" / "decoding.md").read_text()
    assert "| ours | 192 (x 4.00) | 192 (x 4.00) |" in text
    assert "| transformers | 8.0 | 8.0 |" in text
    assert "| transformers | 48 (x 1.00) |" in capsys.readouterr().out


def test_without_the_reference_there_are_no_ratios(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("benchmarks.workers.Worker", Fake)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name in decoding.PACKAGES else find(name, *more),
    )
    decoding.main(["--output", str(tmp_path), "--batch-sizes", "1", "--beams", "1"])
    said = capsys.readouterr().out
    assert "Hugging Face (make bench-decoding) is not installed: without transformers\n" in said
    assert "CTranslate2 (make bench-decoding) is not installed: without ctranslate2\n" in said
    assert "| ours bfloat16 | 64 |" in said and "(x" not in said


def test_a_contender_that_fails_is_one_line(monkeypatch, tmp_path, capsys):
    class Failing(Fake):
        def ask(self, what, seconds, **place):
            raise WorkerError("over 300 s")

    monkeypatch.setattr("benchmarks.workers.Worker", Failing)
    with pytest.raises(SystemExit) as exit_:
        decoding.main(["--contenders", "ours", "--output", str(tmp_path)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: ours: over 300 s\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rounds", "0"], "--rounds must be greater than 0, not 0"),
        (["--beams", "4", "-1"], "--beams must be greater than 0, not 4 -1"),
        (["--batch-sizes", "0"], "--batch-sizes must be greater than 0, not 0"),
    ],
)
def test_bad_flags_are_one_line(flags, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        decoding.main(flags)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"
