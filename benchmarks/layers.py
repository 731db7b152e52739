"""Times the attention layers beside Keras's and PyTorch's: `python -m benchmarks.layers --help`."""

import dataclasses
import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.commands import devices, errors, flags, runs, terminal


@dataclass(frozen=True)
class Config:
    """Time and peak memory of every attention layer, on the CPU, against length.

    Beside the mechanisms of `layers` stand Keras's own and PyTorch's. What is measured is written
    as it comes, so an interrupted run keeps what it has.
    """

    lengths: tuple[int, ...] = (128, 512, 2048, 4096, 8192, 16384)
    """Lengths T of the sequence."""
    contenders: tuple[str, ...] = ()
    """Names, as the tables have them, such as "multi_head causal"; all by default. A ratio needs
    its reference among them."""
    modes: tuple[Literal["forward", "training"], ...] = ("forward", "training")
    """The output alone, and with the gradients for input and weights."""
    memory: bool = True
    """Also measure peak memory, in a process for each number."""

    backend: Literal["tensorflow", "jax", "torch"] = "tensorflow"
    """What Keras computes with."""
    jit: bool = False
    """Compile the steps of TensorFlow by XLA."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the computation; weights stay float32."""

    rounds: int = 7
    """Calls of each contender at a length; down to 3 where a step takes over 3 seconds."""
    memory_limit: float = 8.0
    """GiB; what needs more is left out."""
    time_limit: float = 60.0
    """Seconds for a call; what takes longer is left out, there and at greater lengths."""
    output: str = "runs/benchmarks/layers"
    """Folder of layers.json, layers.md and layers.png, which are replaced."""

    def __post_init__(self):
        for name in ("lengths", "modes"):
            if not getattr(self, name):
                raise ValueError(f"--{name} needs at least one")
        if min(self.lengths) < 1:
            raise ValueError(f"--lengths must be at least 1, not {min(self.lengths)}")
        for name in ("rounds", "memory_limit", "time_limit"):
            if getattr(self, name) <= 0:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be greater than 0, not {getattr(self, name)}")


@errors.main
def main(argv=None):
    """Reads the flags and measures."""
    config = flags.parse(Config, argv, prog="python -m benchmarks.layers")
    devices.select_device("cpu")
    _require(config.backend)
    with devices.quiet_start():
        from benchmarks import contenders

        known = contenders.contenders()
    measure(config, choose(config.contenders, known))


def choose(names, known):
    """The contenders of these names, all if there are none, without PyTorch's if that is missing.

    Args:
        names: From the command line.
        known: Dictionary of `Contender`.

    Raises:
        UserError: if a name is unknown.
    """
    for name in names:
        if name not in known:
            raise errors.unknown("contender", name, known)
    chosen = [contender for name, contender in known.items() if name in (names or known)]
    if importlib.util.find_spec("torch") is None and any(c.framework == "torch" for c in chosen):
        _say("PyTorch is not installed (make setup BACKEND=torch): its contenders are left out")
        chosen = [contender for contender in chosen if contender.framework != "torch"]
    if not chosen:
        raise errors.UserError("no contender is left to measure")
    return chosen


def measure(config, contenders):
    """Runs all contenders at all lengths and writes the three files of `config.output`."""
    from benchmarks import machine, races

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
        "results": [],
    }
    with races.Race(contenders, config) as race:
        for length in sorted(set(config.lengths)):
            for mode in dict.fromkeys(config.modes):
                started = time.perf_counter()
                results = race.run(length, mode, earlier=report["results"])
                report["results"] += results
                write(folder, report)
                measured = sum(result["seconds"] is not None for result in results)
                _say(
                    f"length {length:,}, {mode}: {measured} of {len(results)} measured "
                    f"in {time.perf_counter() - started:.0f} s"
                )
    _say(f"wrote {folder / 'layers.md'}, layers.json and layers.png")


def write(folder, report):
    """Writes a report, the content of `layers.json`, in its three forms."""
    from benchmarks import charts, tables

    runs.write_json(folder / "layers.json", report)
    (folder / "layers.md").write_text(tables.markdown(report), "utf-8")
    charts.draw(report, folder / "layers.png")


def _require(backend):
    if importlib.util.find_spec(backend) is None:
        raise errors.UserError(
            f"--backend {backend} is not installed; `make setup BACKEND={backend}` installs it"
        )


def _say(line):
    terminal.console.print(line)


if __name__ == "__main__":
    main()
