"""The configuration of a classification run, read from the command line."""

from dataclasses import dataclass, replace
from typing import Literal

from pipelines.commands import ranges
from pipelines.commands.mechanisms import MECHANISMS
from pipelines.commands.ranges import above, at_least, within

# dim, depth, num_heads and mlp_ratio: of DeiT (Touvron et al., 2021) and of CCT (Hassani et al.,
# 2021), each below with one that two cores can train.
SIZES = {
    "vit": {
        "nano": (64, 4, 4, 2.0),
        "tiny": (192, 12, 3, 4.0),
        "small": (384, 12, 6, 4.0),
        "base": (768, 12, 12, 4.0),
    },
    "compact": {
        "nano": (64, 4, 2, 2.0),
        "tiny": (128, 6, 4, 2.0),
        "small": (256, 7, 4, 2.0),
        "base": (384, 14, 6, 3.0),
    },
}

# What the weights of a model depend on, and what else describes it; both go on with `--start`.
WEIGHTS = (
    "model",
    "size",
    "patch_size",
    "dim",
    "depth",
    "num_heads",
    "mlp_ratio",
    "pool",
    "positions",
    "convolutions",
    "kernel_size",
    "backbone",
)
MODEL = (
    *WEIGHTS,
    "attention",
    "image_size",
    "layer_scale",
    "stochastic_depth",
    "dropout",
)

_RANGES = {
    at_least(1): "image_size patch_size depth num_heads kernel_size convolutions epochs "
    "batch_size steps_per_execution max_train op_threads",
    at_least(8): "dim",
    at_least(0): "layer_scale crop rand_augment mixup cutmix warmup_steps weight_decay patience",
    above(0): "learning_rate clip_norm mlp_ratio",
    within("[0, 1)"): "dropout stochastic_depth label_smoothing ema",
    within("[0, 1]"): "erasing",
    within("[0, 10]"): "magnitude",
    within("[0, 4294967296)"): "seed",
}


@dataclass(frozen=True)
class Config:
    """Trains an image classifier and evaluates it on the test split.

    The defaults are the run on the built-in digits that the README shows.
    """

    dataset: str = "digits"
    """`digits`, `tfds:NAME` of TensorFlow Datasets, or a folder: a folder per class under train/
    (and validation/, test/), or train.jsonl and its pictures."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""
    name: str | None = None
    """Name of the run, runs/vision/NAME; the time by default."""

    model: Literal["vit", "compact"] = "compact"
    """A Vision Transformer, or the compact one: a convolutional tokenizer and fewer blocks."""
    size: Literal["nano", "tiny", "small", "base"] = "nano"
    """Gives dim, depth, num_heads and mlp_ratio where those are not given."""
    attention: Literal[MECHANISMS] = "multi_head"
    """How patches look at one another."""
    image_size: int | None = None
    """Width and height of the pictures, in pixels; by default the usual longer side of the training
    pictures (the median of some of them), at most 64, and with a backbone 224."""
    patch_size: int | None = None
    """Width and height of a patch; by default what divides the picture and is nearest to an eighth
    of it, at most 16."""
    dim: int | None = None
    """Model size D."""
    depth: int | None = None
    """Transformer blocks."""
    num_heads: int | None = None
    """Heads N of multi-head attention."""
    mlp_ratio: float | None = None
    """Width of a block's hidden layer, in model sizes."""
    pool: Literal["token", "mean", "attention"] | None = None
    """What the class is read from: a class token (the default of vit), the mean over the patches,
    or learned attention over them (the default of compact)."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """Position embeddings; sinusoidal ones are of rows and columns."""
    convolutions: int = 1
    """Convolutions of the compact tokenizer, each followed by pooling that halves the picture."""
    kernel_size: int = 3
    """Of the compact tokenizer."""
    layer_scale: float = 0.0
    """First value of a learned factor on every branch (LayerScale); 0 for none."""
    stochastic_depth: float = 0.0
    """Share of training examples that skip the last block; for those before it, linearly less."""
    dropout: float = 0.0
    """Dropout rate in the blocks."""
    backbone: str | None = None
    """A pretrained network to fine-tune: a Keras Applications name, or a KerasHub preset."""
    start: str | None = None
    """The folder of a finished run to go on from. Its model is taken as it is, but for what flags
    say: pictures of another size, another mechanism of the same weights, dropout."""

    crop: int = 1
    """Pixels of padding around the picture before a crop of its own size; 0 for none."""
    flip: bool = False
    """Also train on mirrored pictures; not for signs that tell left from right."""
    rand_augment: int = 0
    """Random operations on each training picture (RandAugment)."""
    magnitude: float = 9.0
    """Strength of these operations, 0 to 10."""
    erasing: float = 0.0
    """Share of training pictures of which a random rectangle is erased."""
    mixup: float = 0.2
    """Alpha of MixUp; 0 for none. With CutMix as well, half of the pictures get each."""
    cutmix: float = 0.0
    """Alpha of CutMix; 0 for none."""

    epochs: int = 60
    """Passes over the training pictures."""
    batch_size: int = 32
    """Pictures in a batch."""
    steps_per_execution: int = 1
    """Steps that TensorFlow runs without Python in between: short ones are faster so."""
    learning_rate: float = 2e-3
    """Peak of warm-up and cosine decay."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    weight_decay: float = 0.05
    """Decoupled weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest global norm of the gradients."""
    label_smoothing: float = 0.1
    """Share of the target spread over all classes."""
    ema: float = 0.98
    """Momentum of the moving average of the weights that is scored and saved; 0 for none."""
    patience: int = 100
    """Epochs without a better validation accuracy before training stops."""
    max_train: int | None = None
    """Train on N pictures only, drawn at random, one of each class before all others."""
    seed: int = 0
    """Of weights, order and augmentation."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the computation; weights stay float32."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Compile the steps with XLA; auto: where Keras does so of itself, on an accelerator."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to train; gpu without one is an error."""
    op_threads: int | None = 1
    """Cores that share one operation of TensorFlow, None for all: a small model is fastest with 1,
    as several of its operations run at a time."""

    @property
    def resolved(self):
        """The same with `dim`, `depth`, `num_heads`, `mlp_ratio` and `pool` filled in."""
        names = ("dim", "depth", "num_heads", "mlp_ratio", "pool")
        pool = {"vit": "token", "compact": "attention"}[self.model]
        defaults = dict(zip(names, (*SIZES[self.model][self.size], pool), strict=True))
        missing = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        return replace(self, **missing) if missing else self

    def __post_init__(self):
        ranges.check(self, _RANGES)
        dim, heads = self.resolved.dim, self.resolved.num_heads
        if dim % heads:
            raise ValueError(f"--dim {dim} must be a multiple of --num-heads {heads}")
        ratio = self.resolved.mlp_ratio
        if ratio * dim < 1:
            raise ValueError(f"--mlp-ratio {ratio} leaves nothing of --dim {dim}")
        patched = self.model == "vit" and self.backbone is None
        if patched and self.image_size and self.patch_size and self.image_size % self.patch_size:
            raise ValueError(
                f"--image-size {self.image_size} must be a multiple of "
                f"--patch-size {self.patch_size}"
            )


@dataclass(frozen=True)
class Scoring:
    """How a finished run is used; where a field is not given, as the run was configured."""

    run: str = "runs/vision/latest"
    """The folder of the run."""
    test_flip: bool = False
    """Average the probabilities of a picture and its mirror image."""
    batch_size: int | None = None
    """Pictures classified at once."""
    device: Literal["cpu", "gpu", "auto"] = "auto"
    """Where to run; gpu without one is an error."""

    def __post_init__(self):
        ranges.check(self, _RANGES)


@dataclass(frozen=True)
class Evaluation(Scoring):
    """Scores a finished run on a split, and draws what it looked at."""

    split: Literal["test", "validation"] = "test"
    """The split to score."""
    dataset: str | None = None
    """Another data set than the run's own: its name, or its folder on this machine."""
    data_dir: str | None = None
    """Where TensorFlow Datasets keeps its data."""


@dataclass(frozen=True)
class Prediction(Scoring):
    """Names what a picture, or every picture of a folder, shows, and draws what was looked at."""

    input: str = ""
    """A picture, or a folder of pictures."""
    output: str | None = None
    """Where the maps go; by default the folder predictions of the run."""


_CIFAR = {
    "model": "compact",
    "image_size": 32,
    "crop": 4,
    "flip": True,
    "batch_size": 128,
    "ema": 0.999,
    "op_threads": None,
}

PRESETS = {
    # CCT-4/3x2 of Hassani et al. (2021), in as many epochs as two cores train in an hour.
    "cifar10": Config(
        **_CIFAR,
        size="tiny",
        depth=4,
        num_heads=2,
        mlp_ratio=1.0,
        convolutions=2,
        epochs=26,
        warmup_steps=700,
        learning_rate=1.5e-3,
        mixup=0.0,
    ),
    "cifar10-gpu": Config(
        **_CIFAR,
        size="small",
        epochs=300,
        warmup_steps=4_000,
        learning_rate=6e-4,
        weight_decay=0.06,
        stochastic_depth=0.1,
        rand_augment=2,
        erasing=0.25,
        mixup=0.8,
        cutmix=1.0,
        precision="bfloat16",
    ),
}
