"""What a classifier looked at: attention block by block, and rolled out, over the picture."""

from pathlib import Path

import numpy as np

from pipelines import images
from pipelines.attention_maps import AttentionMap, save_npz
from pipelines.attention_pages import write_html
from pipelines.attention_pictures import draw_png

_SHOWN = 256  # Pixels of a picture under its maps.


def look(classifier, pixels):
    """Classifies pictures and tells what the classifier looked at.

    Args:
        classifier: A `VisionTransformer`.
        pixels: `(B, size, size, C)`, 0 to 255; a few.

    Returns:
        Logits `(B, classes)`, and an `AttentionMap` for each picture, of the axes layer, row,
        column: see `maps_of`.
    """
    import keras

    logits, weights = classifier(pixels, return_attention_scores=True)
    as_numpy = keras.ops.convert_to_numpy
    blocks, pooling = (
        as_numpy(keras.ops.cast(weights[name], "float32")) for name in ("blocks", "pooling")
    )
    learned = classifier.pool == "attention"
    maps = [maps_of(*each, classifier.grid, learned) for each in zip(blocks, pooling, strict=True)]
    return as_numpy(logits), maps


def maps_of(blocks, pooling, grid, pooled_by_attention=False):
    """The maps of one picture.

    The vector that the head sees is gathered from the last block's tokens, by `pooling`: the class
    token alone, all evenly, or as learned attention has it. A map is how much of what these tokens
    attended to lies in each cell: in one block, the mean over its heads, or in all of them, rolled
    out. The class token is no cell; the cells share its part.

    Args:
        blocks: Attention weights `(depth, N, T, T)`.
        pooling: The part `(T,)` of each token in the vector.
        grid: Rows and columns of the cells, which are the last tokens.
        pooled_by_attention: Whether `pooling` is a map of its own: the last.
    """
    rows = [pooling @ block.mean(axis=0) for block in blocks] + [pooling @ rollout(blocks)]
    names = [f"block {i}" for i in range(1, len(blocks) + 1)] + ["rollout"]
    if pooled_by_attention:
        rows.append(pooling)
        names.append("pooling")
    cells = np.stack(rows)[:, -grid[0] * grid[1] :]
    total = cells.sum(axis=1, keepdims=True)
    cells = np.divide(cells, total, out=np.zeros_like(cells), where=total > 0)
    return AttentionMap(names, cells.reshape(-1, *grid), ("layer", "row", "column"))


def rollout(blocks):
    """How much of each input token is in each output token, Abnar and Zuidema (2020).

    A block keeps half of a token, by the residual path, and mixes in half of what it attends to,
    the mean over its heads: `A' = (A + I) / 2`. Blocks follow on each other: `A'_L ... A'_2 A'_1`.

    Args:
        blocks: Attention weights `(depth, N, T, T)`.

    Returns:
        `(T, T)`, rows that sum to one.

    References:
        - [Abnar and Zuidema, 2020](https://arxiv.org/abs/2005.00928)
    """
    flow = np.eye(blocks.shape[-1], dtype="float32")
    for block in blocks:
        mixed = block.mean(axis=0) + np.eye(len(flow), dtype="float32")
        flow = mixed / mixed.sum(axis=-1, keepdims=True) @ flow
    return flow


def draw(folder, classifier, files, probabilities, names, truth=None, pictures=8, on_page=24):
    """Draws what was looked at in the first pictures: a PNG each, one page and the arrays of all.

    Args:
        folder: Is made if need be.
        classifier: A `VisionTransformer`.
        files: Of the pictures.
        probabilities: `(M, classes)`, of each file.
        names: Of the classes.
        truth: Names of the true classes, if known.
        pictures: How many get a PNG of their own.
        on_page: How many are on the page.

    Returns:
        The path of the page.
    """
    files = [Path(file) for file in files[:on_page]]
    *_, size, channels = classifier.tokenizer.input_shape
    pixels = np.stack([images.load(file, size, channels) for file in files]).astype("float32")
    _, maps = look(classifier, pixels)
    captions = [
        caption(shares, names, truth and truth[i])
        for i, shares in enumerate(probabilities[: len(files)])
    ]
    entries = [
        (images.load(file, _SHOWN), attention, text, [])
        for file, attention, text in zip(files, maps, captions, strict=True)
    ]
    stems = [f"{i:02d}-{file.stem}" for i, file in enumerate(files)]
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (picture, attention, text, _) in list(zip(stems, entries, strict=True))[:pictures]:
        draw_png(folder / f"{stem}.png", picture, attention, text)
    save_npz(folder / "maps.npz", dict(zip(stems, maps, strict=True)))
    title = "What each layer looked at"
    write_html(folder / "index.html", entries, title, what="layer")
    return folder / "index.html"


def caption(shares, names, truth=None):
    """What a picture was taken for, and what it shows if that is something else."""
    best = int(np.argmax(shares))
    other = "" if truth in (None, names[best]) else f"; it is {truth}"
    return f"{names[best]}, {shares[best]:.0%}{other}"
