"""The attention of a classifier over its image: block by block, and as a rollout over all."""

import numpy as np

from pipelines.images import image_files
from pipelines.maps import gallery
from pipelines.maps.attention_maps import AttentionMap
from pipelines.maps.image_maps import ImageMap

IMAGE_SIZE = 256  # Width and height of an image under a map, in pixels.
ON_PAGE = 24
MEGABYTES = 256  # Of attention weights, in memory at a time.


def draw(folder, model, results, names, scores=None, pictures=8):
    """Writes the maps of results into a folder; returns the path of their page.

    Args:
        folder: Made if it does not exist.
        model: The `VisionTransformer` that they are of.
        results: Of `apps.vision.inference.Classification`.
        names: What each map is called.
        scores: Metrics for the page.
        pictures: How many maps are drawn as PNG files too.
    """
    return gallery.write(folder, image_maps(model, results), names, scores, pictures)


def draw_each(model, folder, results, most=ON_PAGE):
    """Writes the maps of the first results, each as a PNG too.

    Returns:
        The path of their page; of a single map, that of its PNG.
    """
    names = [result.image.name for result in results[:most]]
    page = draw(folder, model, results[:most], names, pictures=len(names))
    return page if len(results) > 1 else folder / f"{names[0]}.png"


def choose(labels, predicted, most=ON_PAGE):
    """The places of images to draw: mistakes, at most a third, and others evenly spread.

    The mistakes are spread over the classes: no class has a second one before each has its first.

    Args:
        labels: The true class of each image of a split, `(M,)`.
        predicted: The class that it was given, `(M,)`.
        most: How many places at most.
    """
    wrong = np.flatnonzero(labels != predicted)
    earlier = [np.sum(labels[wrong[:i]] == labels[place]) for i, place in enumerate(wrong)]
    mistakes = wrong[np.argsort(earlier, kind="stable")][: most // 3]
    even = np.linspace(0, len(labels) - 1, most - len(mistakes)).astype(int)
    return np.union1d(mistakes, even)


def shown(result):
    """The classes that are named beside an image, each with its probability."""
    return result.classes[:3]


def image_maps(model, results):
    """The `ImageMap` of each result."""
    found = look(model, np.stack([result.pixels for result in results]))
    return [
        ImageMap(
            each,
            image_files.load(result.image, IMAGE_SIZE),
            result.caption,
            classes=shown(result),
        )
        for each, result in zip(found, results, strict=True)
    ]


def look(classifier, pixels):
    """What a classifier attended to in images.

    The attention weights of an image grow with the square of its tokens: of many images or tokens
    it takes a few images at a time, and keeps no more than the mean over the heads.

    Args:
        classifier: A `VisionTransformer`.
        pixels: `(M, size, size, C)`, 0 to 255.

    Returns:
        M of `AttentionMap`, of the axes layer, row, column: see `maps_of`.
    """
    from keras import ops

    learned, found = classifier.pool == "attention", []
    at_once = images_at_once(classifier)
    for start in range(0, len(pixels), at_once):
        batch = pixels[start : start + at_once].astype("float32")
        weights = classifier(batch, return_attention_scores=True)[1]
        means = [ops.mean(ops.cast(block, "float32"), axis=1) for block in weights["blocks"]]
        pooling = ops.convert_to_numpy(ops.cast(weights["pooling"], "float32"))
        blocks = ops.convert_to_numpy(ops.stack(means, axis=1))
        found += [
            maps_of(*each, classifier.grid, learned) for each in zip(blocks, pooling, strict=True)
        ]
    return found


def images_at_once(classifier, most=8):
    """How many images, at least one, have weights that fit into `MEGABYTES`."""
    weights = classifier.depth * classifier.num_heads * classifier.length**2
    return min(max(int(MEGABYTES * 2**20 / (4 * weights)), 1), most)


def maps_of(blocks, pooling, grid, pooled_by_attention=False):
    """The map of one image.

    The vector that the head sees is gathered from the last block's tokens, by `pooling`: the class
    token alone, all evenly, or as learned attention has it. A map is how much of what these tokens
    attended to lies in each cell: in one block, the mean over its heads, or in all of them, rolled
    out. The class token is no cell; the cells share its part.

    Args:
        blocks: Attention weights `(depth, T, T)`, the mean over the heads.
        pooling: The part `(T,)` of each token in the vector.
        grid: Rows and columns of the cells, which are the last tokens.
        pooled_by_attention: Whether `pooling` is a map of its own: the last.
    """
    rows = [*(pooling @ blocks), pooling @ rollout(blocks)]
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

    A block keeps half of a token, by the residual path, and mixes in half of what it attends to:
    `A' = (A + I) / 2`. Blocks follow on each other: `A'_L ... A'_2 A'_1`.

    Args:
        blocks: Attention weights `(depth, T, T)`, the mean over the heads.

    Returns:
        `(T, T)`, rows that sum to one.

    References:
        - [Abnar and Zuidema, 2020](https://arxiv.org/abs/2005.00928)
    """
    flow = np.eye(blocks.shape[-1], dtype="float32")
    for block in blocks:
        mixed = block + np.eye(len(flow), dtype="float32")
        flow = mixed / mixed.sum(axis=-1, keepdims=True) @ flow
    return flow
