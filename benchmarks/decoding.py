"""Times decoding by several hands: `python -m benchmarks.decoding`."""

import dataclasses
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

from benchmarks.decoders import CONTENDERS, NEW_TOKENS, SOURCE
from benchmarks.vision import choose
from pipelines.commands import errors, flags, runs, terminal

REFERENCE = "transformers"
PACKAGES = {
    "transformers": "Hugging Face (make bench-decoding)",
    "ctranslate2": "CTranslate2 (make bench-decoding)",
}


@dataclass(frozen=True)
class Config:
    """Tokens a second of an encoder-decoder Transformer on the CPU, beside Hugging Face's.

    Every contender has a process of its own; they are called in turn, round by round.
    """

    contenders: tuple[Literal[CONTENDERS], ...] = (
        "ours",
        "ours xla",
        "ours bfloat16",
        "transformers",
        "ctranslate2",
    )
    """Who takes part."""
    batch_sizes: tuple[int, ...] = (1, 32)
    """Sources decoded at once."""
    beams: tuple[int, ...] = (1, 4)
    """Candidates of the search; with 1 it is greedy."""
    rounds: int = 5
    """Decodings of each contender."""
    time_limit: float = 300.0
    """Seconds for a decoding, the first with its compilation included."""
    output: str = "runs/benchmarks/decoding"
    """Folder of decoding.json and decoding.md, which are replaced."""

    def __post_init__(self):
        for name in ("batch_sizes", "beams", "rounds", "time_limit"):
            values = getattr(self, name)
            values = values if isinstance(values, tuple) else (values,)
            if not values or min(values) <= 0:
                flag, given = name.replace("_", "-"), " ".join(map(str, values)) or "none"
                raise ValueError(f"--{flag} must be greater than 0, not {given}")


@errors.main
def main(argv=None):
    """Reads the flags and measures."""
    config = flags.parse(Config, argv, prog="python -m benchmarks.decoding")
    config = dataclasses.replace(config, contenders=choose(config.contenders, PACKAGES))
    from benchmarks import machine

    folder = Path(config.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UserError(f"cannot make the folder {folder}: {error.strerror}") from error
    report = {
        "machine": machine.machine(),
        "versions": machine.versions(),
        "date": time.strftime("%Y-%m-%d"),
        "settings": dataclasses.asdict(config),
        "results": measure(config),
    }
    runs.write_json(folder / "decoding.json", report)
    (folder / "decoding.md").write_text(markdown(report), "utf-8")
    terminal.console.print(table(report["results"], speed))


def measure(config):
    """Seconds of every contender's decodings, in turn.

    Returns:
        A list of dicts, for each contender, number of beams and batch size: these three,
        `first_seconds`, `seconds`, a list with one entry for each round, and `ratio`: how many
        times as many tokens a second as `REFERENCE`, `None` without it.

    Raises:
        UserError: A contender fails, or takes too long.
    """
    from benchmarks.workers import WorkerError

    workers = {}

    def ask(name, what, **place):
        try:
            return workers[name].ask(what, config.time_limit, **place)
        except WorkerError as error:
            raise errors.UserError(f"{name}: {error}") from error

    try:
        for name in config.contenders:
            workers[name] = _start(name)
        return [
            result
            for beams in config.beams
            for batch_size in config.batch_sizes
            for result in _race(ask, config, {"batch_size": batch_size, "beams": beams})
        ]
    finally:
        for worker in workers.values():
            worker.close()


def _start(name):
    from benchmarks.workers import Worker

    backend = "jax" if name.endswith("jax") else "tensorflow"
    settings = SimpleNamespace(backend=backend, jit=False, precision="float32", memory_limit=16.0)
    torch = name.startswith("transformers")
    return Worker(name, settings, torch=torch, steps="benchmarks.decoders")


def _race(ask, config, place):
    """The results of all contenders for one batch size and number of beams."""
    from benchmarks.races import median_ratio

    first = {name: ask(name, "prepare", **place)["first_seconds"] for name in config.contenders}
    samples = {name: [] for name in config.contenders}
    for _ in range(config.rounds):
        for name in config.contenders:
            samples[name].append(ask(name, "measure"))
    return [
        {
            "contender": name,
            **place,
            "first_seconds": first[name],
            "seconds": [round(sample["seconds"], 4) for sample in own],
            "ratio": median_ratio(samples[REFERENCE], own) if REFERENCE in samples else None,
        }
        for name, own in samples.items()
    ]


def speed(result):
    """Tokens a second and, in brackets, the ratio."""
    rate = result["batch_size"] * NEW_TOKENS / statistics.median(result["seconds"])
    ratio = result["ratio"]
    return f"{rate:,.0f}" if ratio is None else f"{rate:,.0f} (x {ratio:.2f})"


def table(results, cell):
    """Markdown, a row for each contender and a column for each search and batch size."""
    rows, heads = {}, {}
    for result in results:
        beams = result["beams"]
        search = "greedy" if beams == 1 else f"beam {beams}"
        heads[f"{search}, batch {result['batch_size']}"] = "---:"
        rows.setdefault(result["contender"], []).append(cell(result))
    lines = [["contender", *heads], ["---", *heads.values()]]
    lines += [[name, *cells] for name, cells in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(report):
    """The text of `decoding.md`, from the content of `decoding.json`."""
    machine, results = report["machine"], report["results"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return f"""# Decoding with an encoder-decoder Transformer

Generated by `python -m benchmarks.decoding`; not to be edited. {report["date"]}, \
{machine["processor"]}, {machine["cores"]} cores, {machine["memory_gib"]:g} GiB; {versions}.

From {SOURCE} tokens to {NEW_TOKENS} new ones, the encoder included: size 256, 4 + 4 layers, 8 \
heads, perceptrons of 1,024, 8,000 tokens in one table, random weights, no end before the last \
token; float32 unless the name says otherwise. `ours` is `layers.encoder_decoder` in a `Generator` \
on TensorFlow, weights over the source included; `transformers` is `generate()` of Hugging Face's \
BART in PyTorch, `ctranslate2` the same model in CTranslate2.

## Tokens a second

Each has a process of its own; they are called in turn, {report["settings"]["rounds"]} rounds, and \
medians count. In brackets the median over the rounds of how many times as many tokens a second as \
`{REFERENCE}`; above 1 is faster.

{table(results, speed)}

## Seconds of the first call

Tracing and compilation included, which a new shape of the input costs again.

{table(results, lambda result: f"{result['first_seconds']:.1f}")}
"""


if __name__ == "__main__":
    main()
