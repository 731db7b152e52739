"""Model FLOPs utilization (MFU): how much of what the device can compute, training asks for."""

import itertools

import keras
import numpy as np

from pipelines.training.throughput import peaks
from pipelines.training.throughput.model_flops import training_flops

SAMPLE = 16  # Batches.


def per_step(network, batches, precision):
    """Returns the MFU of a training of one step a second: times the steps a second, it is the MFU.

    It is the mean of the first batches, of which each has a shape of its own: their
    `training_flops`, over the peak of all devices that a batch is spread over.

    Args:
        network: The model, built.
        batches: The `pipelines.data.buckets.Batches` that it is fitted to.
        precision: That of the run.

    Returns:
        A share of the peak; `None` if that is not known, as of a CPU, or the operations are not.

    Reference:
        [Chowdhery et al., 2022](https://arxiv.org/abs/2204.02311), appendix B
    """
    name = peaks.device_name()
    peak = None if name is None else peaks.peak_of(name, precision)
    if peak is None:
        return None
    found, counts = {}, []
    for batch in itertools.islice(batches.open(), SAMPLE):
        inputs, *_ = keras.utils.unpack_x_y_sample_weight(batch)
        inputs = keras.tree.map_structure(np.asarray, inputs)
        shapes = tuple(each.shape for each in keras.tree.flatten(inputs))
        if shapes not in found:
            found[shapes] = training_flops(network, inputs)
        if found[shapes] is None:
            return None
        counts.append(found[shapes])
    return float(np.mean(counts)) / (peak * peaks.device_count())


def describe(steps, batch_size, utilization=None):
    """Says how fast training is.

    Args:
        steps: A second.
        batch_size: Examples of a step.
        utilization: What `per_step` returns.
    """
    text = f"{steps * batch_size:.0f} examples/s"
    return text if utilization is None else f"{text}  {steps * utilization:.1%} MFU"
