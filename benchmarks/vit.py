"""The same Vision Transformer by several hands, each as a training step to be timed.

32 x 32 pictures in 64 patches and a class token, size 192, 9 blocks of 3 heads: 4 million
parameters. Cross-entropy and AdamW, all without dropout; float32 unless the name says otherwise.
"""

import numpy as np

CONTENDERS = ("ours", "ours bfloat16", "ours xla", "keras_hub", "torch", "torch bfloat16")
IMAGE, PATCH, DIM, DEPTH, HEADS, CLASSES = 32, 4, 192, 9, 3, 10


def prepare(name, backend, jit=False, precision="float32"):
    """What makes the step of a contender: `make(batch_size)` returns it.

    The first call of a step is the first of the training, with all that Keras builds and compiles;
    every call returns when the step is done.

    Args:
        name: One of `CONTENDERS`, which also says what is compiled and how precise it is.
        backend: That of Keras in this process.
        jit: Unused.
        precision: Unused.
    """
    framework, _, variant = name.partition(" ")
    if framework == "torch":
        return lambda batch_size: _torch_step(batch_size, variant == "bfloat16")
    import keras

    if variant == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = {"ours": _ours, "keras_hub": _keras_hub}[framework]()
    return lambda batch_size: _keras_step(model, batch_size, variant == "xla", framework == "ours")


def pictures(batch_size):
    """Pixels 0 to 255, and labels."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (batch_size, IMAGE, IMAGE, 3)).astype("float32")
    return pixels, random.integers(0, CLASSES, batch_size)


def _ours():
    from apps.vision import model
    from apps.vision.config import Config

    config = Config(
        model="vit",
        image_size=IMAGE,
        patch_size=PATCH,
        dim=DIM,
        depth=DEPTH,
        num_heads=HEADS,
        mlp_ratio=4.0,
    )
    return model.build(config, 3, CLASSES)


def _keras_hub():
    import keras
    import keras_hub

    backbone = keras_hub.models.ViTBackbone(
        (IMAGE, IMAGE, 3), PATCH, DEPTH, HEADS, DIM, 4 * DIM, dtype=keras.config.dtype_policy()
    )
    return keras_hub.models.ViTImageClassifier(backbone, CLASSES)


def _keras_step(model, batch_size, xla, ours):
    """One step of `fit`, from a `tf.data` set."""
    import keras
    import tensorflow as tf

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, jit_compile=xla or "auto")
    if ours:  # As our applications do: else `fit` traces the step twice.
        model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_tensors(pictures(batch_size)).cache().repeat().prefetch(2)
    batches = iter(data)

    def step():
        if model.train_function is None:
            return model.fit(data, steps_per_epoch=1, verbose=0).history["loss"][0]
        # What `fit` calls, without what it does around an epoch.
        return float(model.train_function(batches)["loss"])

    return step


def _torch_step(batch_size, bfloat16):
    import torch
    from torch.nn import functional as F

    from benchmarks.torch_vit import VisionTransformer

    model = VisionTransformer(IMAGE, PATCH, DIM, DEPTH, HEADS, CLASSES)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    pixels, labels = map(torch.from_numpy, pictures(batch_size))

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = F.cross_entropy(model(pixels.permute(0, 3, 1, 2) / 127.5 - 1), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step
