"""The options that applications share, for their configurations to inherit from.

A configuration is put together of such classes: `Config(Data, Model, Training, Decoding, Run)`.
Each names the group of `--help` that its fields stand in, and the ranges of its numbers. A
configuration gives defaults of its own by declaring a field again, with or without a docstring.
"""

import dataclasses
import os
from dataclasses import dataclass
from typing import ClassVar, Literal

from pipelines.commands import left_out, ranges
from pipelines.commands.ranges import above, at_least, within

Precision = Literal["float32", "bfloat16", "float16"]
Device = Literal["cpu", "gpu", "auto"]
Split = Literal["test", "validation"]
CACHE_SIZE = 50.0

GROUPS = ("", "input", "data", "model", "training", "decoding", "run", "cluster")
"""Groups of `--help`, in its order; the first is of fields without one."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options whose numbers are in their ranges.

    Raises:
        ValueError: A number is not.
    """

    RANGES: ClassVar = {}

    def __post_init__(self):
        for cls in type(self).__mro__:
            ranges.check(self, vars(cls).get("RANGES", {}))


@dataclass(frozen=True, kw_only=True)
class Data(Options):
    """What to train on."""

    GROUP: ClassVar = "data"
    PATHS: ClassVar = "dataset data_dir"
    RANGES: ClassVar = {at_least(1): "max_train", within("[0, 1]"): "max_skipped"}
    APPLICATION: ClassVar = ""
    PREPARED: ClassVar = ""
    """What decides what prepared examples hold: a training on them takes it from their folder."""

    dataset: str
    """A built-in set, `tfds:NAME[/CONFIG]` of TensorFlow Datasets, or a folder or file, in a layout
    that docs/data.md lists."""
    data_dir: str | None = None
    """Folder in which TensorFlow Datasets keeps its data."""
    max_train: int | None = None
    """Train on the first N examples only."""
    max_skipped: float = left_out.MOST
    """Largest share of a split that may be left out as empty or unreadable; more is an error."""


@dataclass(frozen=True, kw_only=True)
class MediaData(Data):
    """What to train on, with files beside its lines."""

    allow_outside: bool = False
    """Allow the data set to name files outside of its folder: absolute paths, .. and links."""


@dataclass(frozen=True, kw_only=True)
class Training(Options):
    """How weights are fitted."""

    GROUP: ClassVar = "training"
    RANGES: ClassVar = {
        at_least(1): "epochs accumulate steps_per_execution max_validation checkpoint_steps",
        at_least(0): "warmup_steps weight_decay patience checkpoint_minutes",
        above(0): "learning_rate clip_norm",
        within("[0, 1)"): "label_smoothing ema",
    }

    epochs: int = 8
    """Passes over the training examples."""
    learning_rate: float = 1e-3
    """Peak learning rate, after linear warm-up and before cosine decay."""
    warmup_steps: int | None = None
    """Updates of linear warm-up, a third of all at most; by default a twentieth, but 400 at
    least."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Maximum global norm of the gradients."""
    label_smoothing: float = 0.0
    """Label smoothing: share of the target distribution spread evenly over all classes."""
    ema: float = 0.0
    """Momentum of the moving average of the weights, which is then evaluated and saved; 0 for
    none."""
    patience: int = 4
    """Stop after this many epochs without a better validation score."""
    accumulate: int = 1
    """Batches per update of the weights: their gradients are averaged (gradient accumulation), as
    of one batch so many times as large, in the memory of one."""
    remat: bool = False
    """Compute the activations of Transformer and Conformer blocks again in the backward pass rather
    than keep them (activation checkpointing): less memory, about a third more time."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA; auto leaves it to Keras, which does on an accelerator."""
    steps_per_execution: int = 1
    """Training steps per compiled call (Keras's `steps_per_execution`); TensorFlow only."""
    checkpoint_minutes: float = 0.5
    """Minutes between checkpoints, from which a killed run goes on; more where saving would take
    over 2 % of the time."""
    checkpoint_steps: int | None = None
    """Training steps between checkpoints, in place of minutes."""
    resume: str = "auto"
    """The run to go on with: its folder; auto for the newest unfinished one of the same options (or
    the one of that --name), if there is one; never for a new run."""


@dataclass(frozen=True, kw_only=True)
class Decoding(Options):
    """How a sequence is decoded."""

    GROUP: ClassVar = "decoding"
    RANGES: ClassVar = {
        at_least(1): "beams top_k decode_batch_size",
        at_least(0): "length_penalty",
        above(0): "temperature",
        within("(0, 1]"): "top_p",
    }

    decode: Literal["greedy", "beam", "sample"] = "beam"
    """Decoding method."""
    beams: int = 4
    """Beam width."""
    length_penalty: float = 1.0
    """Beam search ranks by log-probability / length^penalty; 0 favours short outputs."""
    decode_batch_size: int = 64
    """Batch size of decoding."""
    temperature: float = 1.0
    """Softmax temperature for sampling."""
    top_k: int | None = None
    """Sample from the k most probable tokens only."""
    top_p: float = 0.9
    """Nucleus sampling: sample from the fewest tokens that hold this probability together."""


@dataclass(frozen=True, kw_only=True)
class Processes(Options):
    """The processes, on one or several machines, that do the work of a command together."""

    GROUP: ClassVar = "cluster"
    RANGES: ClassVar = {at_least(1): "devices processes", at_least(0): "process_id"}

    devices: int | None = None
    """Devices of this machine to use together: GPUs, or with --device cpu so many parts of the CPU.
    By default one, and of several processes all that each sees."""
    coordinator: str | None = None
    """Address HOST:PORT of process 0, for several processes (JAX backend only); found from the
    variables of SLURM, Kubernetes and Open MPI."""
    processes: int | None = None
    """Number of processes; found as --coordinator is."""
    process_id: int | None = None
    """Number of this process, from 0; found as --coordinator is."""


@dataclass(frozen=True, kw_only=True)
class Cluster(Processes):
    """The devices, on one or several machines, that train one model together."""

    RANGES: ClassVar = {at_least(1): "model_parallel"}

    model_parallel: int = 1
    """Devices that share the weights of one copy of the model (JAX backend only); the batch is
    shared out among the copies."""


@dataclass(frozen=True, kw_only=True)
class Run(Cluster):
    """A run and the machine it is on."""

    GROUP: ClassVar = "run"
    RANGES: ClassVar = {
        at_least(1): "op_threads",
        within("[0, 4294967296)"): "seed",
        above(0): "cache_size",
    }

    name: str | None = None
    """Name of the run's folder, runs/APPLICATION/NAME; by default the time."""
    seed: int = 0
    """Random seed (initial weights, shuffling, dropout, augmentation, sampling)."""
    precision: Precision = "float32"
    """Compute precision; weights are kept in float32."""
    device: Device = "auto"
    """Device to run on; gpu without one is an error."""
    op_threads: int | None = None
    """CPU threads per TensorFlow operation, by default all cores. A small model is often fastest
    with 1, as several of its operations run at a time."""
    cache_size: float = CACHE_SIZE
    """Gigabytes that made data sets, images and features may take in the cache folder; what was
    used least recently is removed first."""


@dataclass(frozen=True, kw_only=True)
class FinishedRun(Processes):
    """The run that a later command uses."""

    GROUP: ClassVar = "run"
    RANGES: ClassVar = {above(0): "cache_size"}

    run: str
    """Folder of the run."""
    device: Device = "auto"
    """Device to run on; gpu without one is an error."""
    cache_size: float = CACHE_SIZE
    """Gigabytes that made data sets, images and features may take in the cache folder; what was
    used least recently is removed first."""


@dataclass(frozen=True, kw_only=True)
class EvaluationFolder(Options):
    """Where the evaluation of a finished run is kept."""

    GROUP: ClassVar = "run"

    name: str | None = None
    """Name of the evaluation's folder, evaluations/NAME in the run; by default the data set, the
    split and the options given."""
    output: str | None = None
    """Folder for the evaluation, in place of one in the run."""

    def __post_init__(self):
        super().__post_init__()
        if self.name is not None and self.output is not None:
            raise ValueError("--name is a folder in the run, and --output another: give one")


@dataclass(frozen=True, kw_only=True)
class EvaluationData(EvaluationFolder):
    """What a finished run is evaluated on."""

    GROUP: ClassVar = "data"
    RANGES: ClassVar = {within("[0, 1]"): "max_skipped"}
    WHERE_NONE: ClassVar = "(default: as in the run)"

    split: Split = "test"
    """Split to evaluate on."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Folder in which TensorFlow Datasets keeps its data."""
    max_skipped: float | None = None
    """Largest share of a split that may be left out as empty or unreadable; more is an error."""


@dataclass(frozen=True, kw_only=True)
class MediaEvaluation(EvaluationData):
    """What a finished run is evaluated on, with files beside its lines."""

    allow_outside: bool | None = None
    """Allow the data set to name files outside of its folder: absolute paths, .. and links."""


@dataclass(frozen=True, kw_only=True)
class PredictionInput(Options):
    """What a finished run is used on."""

    GROUP: ClassVar = "input"
    RANGES: ClassVar = {at_least(1): "examples"}

    input: str
    """Image, audio or text, as the application takes it."""
    output: str | None = None
    """Folder for the attention maps; by default the folder predictions of the run."""
    examples: int = 24
    """Draw the attention maps of the first N results only."""


def paths(config_class: type, group: str | None = None) -> list[str]:
    """Returns the names of the fields that may hold a path: those that classes list as `PATHS`.

    Args:
        config_class: The configuration.
        group: Only those of this group.
    """
    return [
        name
        for cls in config_class.__mro__
        if group in (None, getattr(cls, "GROUP", ""))
        for name in vars(cls).get("PATHS", "").split()
    ]


def located(config):
    """Returns a configuration whose paths hold from every folder: those that are there, absolute.

    A data set that is built in goes before a folder of its name, and keeps it.
    """
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    found = {}
    for name in paths(type(config)):
        value = getattr(config, name)
        if value not in (None, usual[name]) and os.path.exists(os.path.expanduser(value)):
            found[name] = os.path.abspath(os.path.expanduser(value))
    return dataclasses.replace(config, **found)


def owner(config_class: type, name: str) -> type:
    """Returns the class that first had a field: the one whose group the field is in."""
    having = [c for c in config_class.__mro__ if name in vars(c).get("__annotations__", {})]
    return having[-1]


def overrides(config_class: type, *names: str) -> type:
    """Returns the options of decoding, of which none has to be given to a finished run.

    Args:
        config_class: The configuration of the run.
        *names: Fields that count among them although they are of another group.

    Returns:
        A class with the same fields, documents and ranges, each `None` by default.
    """
    known = {field.name: field.type for field in dataclasses.fields(config_class)}
    groups = {name: getattr(owner(config_class, name), "GROUP", "") for name in known}
    chosen = [*(name for name, group in groups.items() if group == "decoding"), *names]
    merged = {}
    for cls in config_class.__mro__:
        merged |= vars(cls).get("RANGES", {})
    return dataclasses.make_dataclass(
        f"{config_class.__name__}Overrides",
        [(name, known[name] | None, None) for name in chosen],
        bases=(Options,),
        namespace={
            "GROUP": "decoding",
            "WHERE_NONE": "(default: as in the run)",
            "OF": config_class,
            "RANGES": merged,
        },
        frozen=True,
        kw_only=True,
    )
