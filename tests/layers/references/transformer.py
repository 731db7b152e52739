"""The Transformer and Conformer blocks as their composition in plain NumPy."""

import math

import numpy as np

import layers
from tests.layers.references import mechanisms as reference

REFERENCES = {
    layers.AdditiveAttention: reference.additive,
    layers.LuongAttention: reference.luong,
    layers.MultiHeadAttention: reference.multi_head,
    layers.LocalAttention: reference.sparse,
    layers.BlockSparseAttention: reference.sparse,
    layers.LinearAttention: reference.linear,
    layers.LocationSensitiveAttention: reference.location_sensitive,
    layers.CoverageAttention: reference.coverage,
    layers.MonotonicAttention: reference.monotonic,
}


def normalise(norm, x):
    gamma, beta = norm.get_weights()
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def residual(block, name, x, branch):
    """x + s f(norm(x)), or norm(x + s f(x)), with the factors s of LayerScale or 1."""
    norm, scale = getattr(block, f"{name}_norm"), getattr(block, f"{name}_scale")
    factors = 1 if scale is None else scale.get_weights()[0]
    if block.norm_first:
        return x + factors * branch(normalise(norm, x))
    return normalise(norm, x + factors * branch(x))


def attend(layer, query, value, **masks):
    heads = layer.num_heads is not None
    mask = reference.merge_masks(query.shape[1], value.shape[1], heads=heads, **masks)
    return REFERENCES[type(layer)](layer, query, value, value, mask)


def numpy_encoder(block, x, **masks):
    weights = []

    def attention(h):
        output, w = attend(block.self_attention, h, h, **masks)
        weights.append(w)
        return output

    def mlp(h):
        return reference.dense(block.mlp_output, gelu(reference.dense(block.mlp_hidden, h)))

    x = residual(block, "self_attention", np.asarray(x, "float64"), attention)
    return residual(block, "mlp", x, mlp), weights[0]


def numpy_decoder(block, x, memory, mask=None, memory_mask=None):
    weights, masks = [], {}
    if mask is not None and mask.ndim == 2:
        masks = {"query_mask": mask, "value_mask": mask}
    elif mask is not None:
        masks = {"attention_mask": mask}

    def look(h):
        query_mask = masks.get("query_mask")
        output, w = attend(
            block.cross_attention, h, memory, query_mask=query_mask, value_mask=memory_mask
        )
        weights.append(w)
        return output

    def self_attention(h):
        return attend(block.self_attention, h, h, use_causal_mask=True, **masks)[0]

    def mlp(h):
        return reference.dense(block.mlp_output, gelu(reference.dense(block.mlp_hidden, h)))

    x = residual(block, "self_attention", np.asarray(x, "float64"), self_attention)
    if memory is not None:
        x = residual(block, "cross_attention", x, look)
    return residual(block, "mlp", x, mlp), weights


def silu(x):
    return x / (1 + np.exp(-x))


def depthwise_convolution(layer, x):
    """Kernel `(K, D, 1)` over `(B, T, D)`; as many zeros before as after, the odd one after."""
    kernel, bias = layer.get_weights()
    size, length = len(kernel), x.shape[1]
    padded = np.pad(x, [(0, 0), ((size - 1) // 2, size // 2), (0, 0)])
    return sum(kernel[i, :, 0] * padded[:, i : i + length] for i in range(size)) + bias


def numpy_conformer(block, x, mask=None):
    """Gulati et al. 2020, section 2, with layer normalization after the convolution."""
    x = np.asarray(x, "float64")
    masks = {}
    if mask is not None and mask.ndim == 2:
        masks = {"query_mask": mask, "value_mask": mask}
    elif mask is not None:
        masks = {"attention_mask": mask}

    def mlp(norm, hidden, output):
        return reference.dense(output, silu(reference.dense(hidden, normalise(norm, x))))

    x = x + mlp(block.first_mlp_norm, block.first_mlp_hidden, block.first_mlp_output) / 2
    h = normalise(block.self_attention_norm, x)
    attended, weights = attend(block.self_attention, h, h, **masks)
    x = x + attended
    h = reference.dense(block.convolution_gate, normalise(block.convolution_norm, x))
    values, gates = np.split(h, 2, axis=-1)
    h = values / (1 + np.exp(-gates))
    if mask is not None and mask.ndim == 2:
        h = h * mask[:, :, None]
    h = silu(normalise(block.depthwise_norm, depthwise_convolution(block.depthwise, h)))
    x = x + reference.dense(block.convolution_output, h)
    x = x + mlp(block.second_mlp_norm, block.second_mlp_hidden, block.second_mlp_output) / 2
    return normalise(block.output_norm, x), weights
