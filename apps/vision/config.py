"""The configuration of a classification run, read from the command line."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pipelines.commands import options, runs
from pipelines.commands.disk import prepared_data
from pipelines.commands.errors import UserError
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


@dataclass(frozen=True, kw_only=True)
class Data(options.MediaData):
    """Images with labels, and how they are augmented."""

    RANGES: ClassVar = {
        at_least(0): "crop rand_augment mixup cutmix",
        at_least(1): "image_size",
        within("[0, 1]"): "erasing",
        within("[0, 10]"): "magnitude",
    }

    max_train: int | None = None
    """Train on N images only, drawn at random, one of each class before all others."""
    image_size: int | None = None
    """Width and height of the images, in pixels; by default the usual longer side of the training
    images (the median of some of them), at most 64, and with a backbone 224."""
    crop: int | None = None
    """Padding in pixels around an image before a random crop of its own size; 0 for none; by
    default an eighth of the image."""
    flip: bool = False
    """Also train on mirrored images; not for signs that tell left from right."""
    rand_augment: int = 0
    """Random operations on each training image (RandAugment)."""
    magnitude: float = 9.0
    """Strength of the RandAugment operations, 0 to 10."""
    erasing: float = 0.0
    """Probability of erasing a random rectangle of a training image (random erasing)."""
    mixup: float = 0.2
    """Alpha of MixUp; 0 for none. With CutMix as well, each is used for half of the images."""
    cutmix: float = 0.0
    """Alpha of CutMix; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class Model(options.Options):
    """A Vision Transformer."""

    GROUP: ClassVar = "model"
    PATHS: ClassVar = "backbone start"
    RANGES: ClassVar = {
        at_least(0): "layer_scale",
        at_least(1): "patch_size depth num_heads kernel_size convolutions",
        at_least(8): "dim",
        above(0): "mlp_ratio",
        within("[0, 1)"): "dropout stochastic_depth",
    }

    model: Literal["vit", "compact"] = "compact"
    """Architecture: a Vision Transformer, or the compact one with a convolutional tokenizer and
    fewer blocks (CCT)."""
    size: Literal["nano", "tiny", "small", "base"] = "nano"
    """Size of the model: sets dim, depth, num_heads and mlp_ratio where those are not given."""
    attention: Literal[MECHANISMS] = "multi_head"
    """Self-attention mechanism of the blocks."""
    patch_size: int | None = None
    """Width and height of a patch in pixels; by default what divides the image and is nearest to
    an eighth of it, at most 16."""
    dim: int | None = None
    """Model size D; by default that of --size."""
    depth: int | None = None
    """Transformer blocks; by default those of --size."""
    num_heads: int | None = None
    """Attention heads N; by default those of --size."""
    mlp_ratio: float | None = None
    """Size of the feed-forward layers, as a multiple of D; by default that of --size."""
    pool: Literal["token", "mean", "attention"] | None = None
    """Pooling before the classifier: a class token (the default of vit), the mean over the
    patches, or learned attention over them (the default of compact)."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """Position embeddings; sinusoidal ones are of rows and columns."""
    convolutions: int | None = None
    """Convolutions of the convolutional tokenizer (compact model), each followed by pooling that
    halves the image; by default as many as leave 4 x 4 tokens, or a few more."""
    kernel_size: int = 3
    """Kernel size of the convolutional tokenizer (compact model)."""
    layer_scale: float = 0.0
    """Initial value of LayerScale, a learned factor on every residual branch; 0 for none."""
    stochastic_depth: float = 0.0
    """Stochastic depth: probability of skipping the last block in training; it decreases linearly
    towards the first."""
    dropout: float = 0.0
    """Dropout rate of the blocks."""
    backbone: str | None = None
    """Pretrained network to fine-tune: a Keras Applications name, or a KerasHub preset; see
    --freeze."""
    freeze: bool = False
    """Keep the weights of --backbone as they are: its features are computed once and cached, and
    only the rest of the model is trained, on images that are not augmented but by --flip."""
    start: str | None = None
    """Folder of a finished run to go on from. Its model is used as it is, but for what flags
    change: image size, another mechanism with the same weights, dropout."""

    @property
    def resolved(self):
        """The same with what `--size` and the size of the images give filled in."""
        names = ("dim", "depth", "num_heads", "mlp_ratio", "pool")
        pool = {"vit": "token", "compact": "attention"}[self.model]
        defaults = dict(zip(names, (*SIZES[self.model][self.size], pool), strict=True))
        if self.model == "compact" and self.image_size is not None and self.backbone is None:
            defaults["convolutions"] = halvings(self.image_size)
        missing = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        return replace(self, **missing) if missing else self


def halvings(size):
    """How often an image can be halved so that 4 x 4 tokens are left, or a few more."""
    return max(math.ceil(math.log2(size / 3)) - 1, 1)


@dataclass(frozen=True, kw_only=True)
class Training(options.Training):
    """Training on batches of images."""

    RANGES: ClassVar = {at_least(1): "batch_size"}

    epochs: int | None = None
    """Passes over the training images; by default as many as show 200,000 images, between 20 and
    60."""
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    ema: float = 0.98
    patience: int = 100
    batch_size: int | None = None
    """Batch size in images; by default as many as leave an epoch 100 steps, between 32 and 128."""


@dataclass(frozen=True, kw_only=True)
class Config(Data, Model, Training, options.Run):
    """Trains an image classifier and evaluates it on the test split.

    The defaults are the run on the built-in digits that the README shows.
    """

    APPLICATION: ClassVar = "vision"
    PREPARED: ClassVar = "max_train image_size flip backbone freeze"

    dataset: str = "digits"
    """`digits`, `tfds:NAME` of TensorFlow Datasets, or a folder: a folder per class under train/
    (and validation/, test/), or train.jsonl and its images."""
    op_threads: int | None = 1

    def __post_init__(self):
        super().__post_init__()
        dim, heads = self.resolved.dim, self.resolved.num_heads
        if dim % heads:
            raise ValueError(f"--dim {dim} must be a multiple of --num-heads {heads}")
        ratio = self.resolved.mlp_ratio
        if ratio * dim < 1:
            raise ValueError(f"--mlp-ratio {ratio} leaves nothing of --dim {dim}")
        if self.freeze and self.backbone is None:
            raise ValueError("--freeze keeps the weights of a --backbone, and there is none")
        for name in ("crop", "rand_augment", "erasing", "cutmix") if self.freeze else ():
            if getattr(self, name):
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} changes pixels, of which --freeze caches the features")
        patched = self.model == "vit" and self.backbone is None
        if patched and self.image_size and self.patch_size and self.image_size % self.patch_size:
            raise ValueError(
                f"--image-size {self.image_size} must be a multiple of "
                f"--patch-size {self.patch_size}"
            )


def started_model(config):
    """What `--start` gives a configuration where no flag does: its model."""
    if config.start is None:
        return {}
    started = runs.load(config.start, Config)
    return {name: getattr(started, name) for name in MODEL}


def resolve(config):
    """The configuration of a training, its model filled in.

    Raises:
        UserError: A flag asks for other weights than `--start` has.
    """
    started = started_model(config)
    for name in WEIGHTS if started else ():
        if getattr(config, name) != started[name]:
            flag = name.replace("_", "-")
            raise UserError(
                f"--{flag} {getattr(config, name)}: --start {config.start} has weights for "
                f"--{flag} {started[name]} only"
            )
    return config.resolved


@dataclass(frozen=True, kw_only=True)
class Decoding(options.overrides(Config, "batch_size")):
    """How images are classified."""

    test_flip: bool = False
    """Average the probabilities of an image and its mirror image."""


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.MediaEvaluation, Decoding, options.FinishedRun):
    """Evaluates a finished run on a split, and writes metrics and attention maps."""

    run: str = "runs/vision/latest"


Preparation = prepared_data.preparation(
    Config,
    "Writes the images of a data set once as training takes them, as pixels or as features of a "
    "frozen backbone.",
    "seed",
)


@dataclass(frozen=True, kw_only=True)
class Prediction(options.PredictionInput, Decoding, options.FinishedRun):
    """Classifies an image, or all images of a folder, and writes attention maps."""

    run: str = "runs/vision/latest"
    input: str
    """An image file, or a folder of them."""


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
        convolutions=1,
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
