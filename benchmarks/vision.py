"""Times the training of a Vision Transformer by several hands: `python -m benchmarks.vision`."""

import dataclasses
import importlib.util
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.vit import CONTENDERS
from pipelines.commands import errors, flags, runs, terminal

REFERENCES = ("ours", "keras_hub", "torch")
PACKAGES = {"keras_hub": "KerasHub", "torch": "PyTorch (make setup BACKEND=torch)"}


@dataclass(frozen=True)
class Config:
    """Training throughput of a plain ViT on the CPU, beside KerasHub's and PyTorch's.

    Every contender has a process of its own; they are called in turn, round by round.
    """

    contenders: tuple[Literal[CONTENDERS], ...] = ("ours", "ours bfloat16", "keras_hub", "torch")
    """Who takes part."""
    batch_size: int = 128
    """Pictures of a step."""
    rounds: int = 7
    """Steps of each contender."""
    backend: Literal["tensorflow"] = "tensorflow"
    """What Keras computes with."""
    time_limit: float = 300.0
    """Seconds for a step, the first with its compilation included."""
    output: str = "runs/benchmarks/vision"
    """Folder of vision.json and vision.md, which are replaced."""

    jit = False
    precision = "float32"
    memory_limit = 16.0

    def __post_init__(self):
        for name in ("batch_size", "rounds", "time_limit"):
            if getattr(self, name) <= 0:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be greater than 0, not {getattr(self, name)}")


@errors.main
def main(argv=None):
    """Reads the flags and measures."""
    config = flags.parse(Config, argv, prog="python -m benchmarks.vision")
    config = dataclasses.replace(config, contenders=choose(config.contenders))
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
    runs.write_json(folder / "vision.json", report)
    (folder / "vision.md").write_text(markdown(report), "utf-8")
    terminal.console.print(table(report["results"], config.batch_size))


def choose(names, packages=PACKAGES):
    """The contenders of these names, each once, without those whose package is not installed."""
    chosen = list(dict.fromkeys(names))
    for package, title in packages.items():
        theirs = [name for name in chosen if name.startswith(package)]
        if theirs and importlib.util.find_spec(package) is None:
            chosen = [name for name in chosen if name not in theirs]
            terminal.console.print(f"{title} is not installed: without {', '.join(theirs)}")
    if not chosen:
        raise errors.UserError("no contender is left to measure")
    return tuple(chosen)


def measure(config):
    """Seconds of every contender's steps, in turn.

    Returns:
        A dict by name of `first_seconds`, `seconds`, a list with one entry for each round, and
        `ratios`: how many times as many pictures a second as each of `REFERENCES`.

    Raises:
        UserError: A contender fails, or takes too long.
    """
    from benchmarks.races import median_ratio
    from benchmarks.workers import Worker, WorkerError

    workers = {
        name: Worker(name, config, torch=name.startswith("torch"), steps="benchmarks.vit")
        for name in config.contenders
    }
    samples = {name: [] for name in workers}

    def ask(name, what, **place):
        try:
            return workers[name].ask(what, config.time_limit, **place)
        except WorkerError as error:
            raise errors.UserError(f"{name}: {error}") from error

    try:
        first = {
            name: ask(name, "prepare", batch_size=config.batch_size)["first_seconds"]
            for name in workers
        }
        for _ in range(config.rounds):
            for name in workers:
                samples[name].append(ask(name, "measure"))
    finally:
        for worker in workers.values():
            worker.close()
    results = {}
    for name, own in samples.items():
        ratios = {r: median_ratio(samples[r], own) for r in REFERENCES if r in samples}
        seconds = [round(sample["seconds"], 4) for sample in own]
        results[name] = {"first_seconds": first[name], "seconds": seconds, "ratios": ratios}
    return results


def table(results, batch_size):
    """Markdown, a row for each contender."""
    references = [name for name in REFERENCES if name in results]
    head = ["contender", "pictures/s", "first step, s", *(f"x {name}" for name in references)]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, result in results.items():
        rate = batch_size / statistics.median(result["seconds"])
        ratios = (result["ratios"].get(reference) for reference in references)
        ratios = ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        rows.append([name, f"{rate:.1f}", f"{result['first_seconds']:.1f}", *ratios])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def markdown(report):
    """The text of `vision.md`, from the content of `vision.json`."""
    machine, settings = report["machine"], report["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return f"""# Training a Vision Transformer

Generated by `python -m benchmarks.vision`; not to be edited. {report["date"]}, \
{machine["processor"]}, {machine["cores"]} cores, {machine["memory_gib"]:g} GiB; {versions}.

A training step of one ViT, batches of {settings["batch_size"]}: 32 x 32 pictures, patches of 4, \
size 192, 9 blocks, 3 heads, 4 million parameters, AdamW, no dropout; float32 unless the name says \
otherwise. `ours` and `keras_hub` (`ViTImageClassifier`) are steps of `fit` on TensorFlow; `torch` \
is written as Hugging Face's `ViTForImageClassification` computes, in eager PyTorch.

Each has a process of its own; they are called in turn, {settings["rounds"]} rounds, and medians \
count. A ratio is the median over the rounds of how many times as many pictures a second; above 1 \
is faster. The first step is that of `fit`, tracing and compilation included.

{table(report["results"], settings["batch_size"])}
"""


if __name__ == "__main__":
    main()
