"""Times log-mel spectrograms inside `tf.data` and by librosa: `python -m benchmarks.log_mel`."""

import dataclasses
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipelines.commands import errors, flags, runs, terminal
from pipelines.commands.disk import files

CONTENDERS = ("ours", "librosa", "librosa in threads")
REFERENCE = "librosa"
RATE = 16000
SECONDS = (1.0, 15.0)  # of a clip, as utterances are


@dataclass(frozen=True)
class Config:
    """Seconds of sound a second that become log-mel spectrograms, beside librosa's.

    Every contender has a process of its own; they are called in turn, round by round.
    """

    contenders: tuple[Literal[CONTENDERS], ...] = CONTENDERS
    """Who takes part."""
    clips: int = 64
    """Sounds of 1 to 15 seconds, one a call."""
    rounds: int = 9
    """Passes of each contender over all clips."""
    time_limit: float = 300.0
    """Seconds for a pass, the first with its compilation included."""
    output: str = "runs/benchmarks/log_mel"
    """Folder of log_mel.json and log_mel.md, which are replaced."""

    backend = "tensorflow"
    jit = False
    precision = "float32"
    memory_limit = 16.0

    def __post_init__(self):
        for name in ("clips", "rounds", "time_limit"):
            if getattr(self, name) <= 0:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be greater than 0, not {getattr(self, name)}")
        if not self.contenders:
            raise ValueError("--contenders must name at least one")


@errors.main
def main(argv=None):
    """Reads the flags and measures."""
    config = flags.parse(Config, argv, prog="python -m benchmarks.log_mel")
    from benchmarks import machine

    folder = Path(config.output)
    files.make_folder(folder)
    report = {
        "machine": machine.machine(),
        "versions": machine.versions(),
        "date": time.strftime("%Y-%m-%d"),
        "settings": dataclasses.asdict(config),
        "results": measure(config),
    }
    runs.write_json(folder / "log_mel.json", report)
    (folder / "log_mel.md").write_text(markdown(report), "utf-8")
    terminal.console.print(table(report))


def sounds(count):
    """Clips of noise, `(n,)` each, the same in every process."""
    rng = np.random.default_rng(0)
    lengths = (rng.uniform(*SECONDS, count) * RATE).astype(int)
    return [rng.uniform(-1, 1, length).astype("float32") for length in lengths]


def prepare(name, backend, jit, precision):
    """What makes a pass of a contender over so many clips, see `benchmarks.workers`."""
    make = {"ours": _ours, "librosa": _librosa, "librosa in threads": _librosa_in_threads}[name]
    return lambda clips: make(sounds(clips))


def _ours(clips):
    import tensorflow as tf

    from pipelines.audio.log_mel import log_mel
    from pipelines.data import buckets

    ragged = tf.RaggedTensor.from_row_lengths(np.concatenate(clips), list(map(len, clips)))
    dataset = tf.data.Dataset.from_tensor_slices(ragged)
    dataset = buckets.finish(dataset.map(log_mel, num_parallel_calls=os.cpu_count()))
    return lambda: [found.numpy() for found in dataset]


def _librosa(clips):
    return lambda: [_of_librosa(clip) for clip in clips]


def _librosa_in_threads(clips):
    pool = ThreadPoolExecutor(os.cpu_count())
    return lambda: list(pool.map(_of_librosa, clips))


def _of_librosa(clip):
    import librosa

    power = librosa.feature.melspectrogram(
        y=clip, sr=RATE, n_fft=512, win_length=400, hop_length=160, n_mels=80, pad_mode="constant"
    )
    return np.log(np.maximum(power, 1e-10)).T


def measure(config):
    """Seconds of every contender's passes, in turn.

    Returns:
        A dict by name of `seconds` and `cpu_seconds`, lists with one entry for each round, and
        `ratio`: how many times as many sounds a second as `REFERENCE`, `None` without it.

    Raises:
        UserError: A contender fails, or takes too long.
    """
    from benchmarks.races import median_ratio
    from benchmarks.workers import Worker, WorkerError

    workers = {}
    samples = {name: [] for name in config.contenders}

    def ask(name, what, **place):
        try:
            return workers[name].ask(what, config.time_limit, **place)
        except WorkerError as error:
            raise errors.UserError(f"{name}: {error}") from error

    try:
        for name in samples:
            workers[name] = Worker(name, config, torch=False, steps="benchmarks.log_mel")
        for name in workers:
            ask(name, "prepare", clips=config.clips)
        for _ in range(config.rounds):
            for name in workers:
                samples[name].append(ask(name, "measure"))
    finally:
        for worker in workers.values():
            worker.close()
    return {
        name: {
            "seconds": [round(sample["seconds"], 4) for sample in own],
            "cpu_seconds": [round(sample["cpu_seconds"], 4) for sample in own],
            "ratio": median_ratio(samples[REFERENCE], own) if REFERENCE in samples else None,
        }
        for name, own in samples.items()
    }


def table(report):
    """Markdown, a row for each contender."""
    total = sum(map(len, sounds(report["settings"]["clips"]))) / RATE
    lines = [
        f"| contender | seconds of sound a second | of processor time | x {REFERENCE} |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, result in report["results"].items():
        rate, of_cpu = (
            f"{total / statistics.median(result[field]):,.0f}"
            for field in ("seconds", "cpu_seconds")
        )
        ratio = "-" if result["ratio"] is None else f"{result['ratio']:.2f}"
        lines.append(f"| {name} | {rate} | {of_cpu} | {ratio} |")
    return "\n".join(lines)


def markdown(report):
    """The text of `log_mel.md`, from the content of `log_mel.json`."""
    machine, settings = report["machine"], report["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return f"""# Log-mel spectrograms

Generated by `python -m benchmarks.log_mel`; not to be edited. {report["date"]}, \
{machine["processor"]}, {machine["cores"]} cores, {machine["memory_gib"]:g} GiB; {versions}.

Clips of 1 to 15 seconds at 16 kHz, {settings["clips"]} of them, a clip a call; window 400, hop \
160, transform 512, 80 bands, logarithm. `ours` is `pipelines.audio.log_mel` in `tf.data`, on all \
cores; `librosa` is `librosa.feature.melspectrogram` in a loop. The results are the same to 1e-4.

Each has a process of its own; they are called in turn, {settings["rounds"]} rounds, and medians \
count. A ratio is the median over the rounds of how many times as many sounds a second; above 1 is \
faster.

{table(report)}
"""


if __name__ == "__main__":
    main()
