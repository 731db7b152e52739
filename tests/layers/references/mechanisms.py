"""Attention in plain NumPy and float64, written as in the papers; the layers must agree with it.

Each mechanism's function takes a built layer (only to read its weights), the inputs and one merged
boolean mask, and returns the output and the weights.
"""

import keras
import numpy as np


def array(weight):
    return np.asarray(keras.ops.convert_to_numpy(weight), "float64")


def dense(sublayer, inputs):
    """Returns `inputs @ kernel + bias` with the weights of a Keras `Dense`."""
    weights = [np.asarray(weight, "float64") for weight in sublayer.get_weights()]
    outputs = inputs @ weights[0]
    return outputs + weights[1] if len(weights) == 2 else outputs


def masked_softmax(scores, mask):
    """Returns the softmax over the last axis among `mask`; a row without any key is all zeros."""
    mask = np.broadcast_to(mask, scores.shape)
    weights = np.zeros_like(scores)
    for row in np.ndindex(scores.shape[:-1]):
        seen = mask[row]
        if seen.any():
            exponentials = np.exp(scores[row][seen] - scores[row][seen].max())
            weights[row][seen] = exponentials / exponentials.sum()
    return weights


def merge_masks(
    query_length,
    value_length,
    query_mask=None,
    value_mask=None,
    key_mask=None,
    attention_mask=None,
    use_causal_mask=False,
    heads=False,
):
    """Returns all masks joined with AND, of rank 3, or 4 with heads, broadcastable to scores."""
    mask = np.ones((1, query_length, value_length), bool)
    if query_mask is not None:
        mask = mask & query_mask[:, :, None]
    if value_mask is not None:
        mask = mask & value_mask[:, None, :]
    if key_mask is not None:
        mask = mask & key_mask[:, None, :]
    if use_causal_mask:
        mask = mask & (np.arange(value_length)[None] <= np.arange(query_length)[:, None])
    if heads:
        mask = mask[:, None]
        if attention_mask is not None and attention_mask.ndim == 3:
            attention_mask = attention_mask[:, None]
    return mask if attention_mask is None else mask & attention_mask


def additive(layer, query, value, key, mask):
    """Bahdanau et al. 2015, appendix A.1.2: e_ij = v_a^T tanh(W_a s_i + U_a h_j)."""
    query, value, key = (np.asarray(x, "float64") for x in (query, value, key))
    hidden = np.tanh(
        dense(layer.query_projection, query)[:, :, None] + dense(layer.key_projection, key)[:, None]
    )
    weights = masked_softmax(layer.scale * dense(layer.score_projection, hidden)[..., 0], mask)
    return weights @ value, weights


def aligned(layer, query, value, key, mask, alignment, score, normalize, after):
    """One query after the other; a row without any key leaves the alignment as it was.

    `score(i, alignment)` gives the scores of query `i`, `normalize(scores, alignment, mask)` its
    weights, and `after(alignment, weights)` the next alignment.
    """
    shape = (query.shape[0], query.shape[1], key.shape[1])
    mask, weights = np.broadcast_to(mask, shape), np.zeros(shape)
    for i in range(query.shape[1]):
        weights[:, i] = normalize(score(i, alignment), alignment, mask[:, i])
        alignment = np.where(
            mask[:, i].any(-1, keepdims=True), after(alignment, weights[:, i]), alignment
        )
    return weights @ np.asarray(value, "float64"), weights


def additive_energy(layer, query, key):
    """Returns i -> W q_i + V k_j + b."""
    queries = dense(layer.query_projection, np.asarray(query, "float64"))
    keys = dense(layer.key_projection, np.asarray(key, "float64"))
    return lambda i: queries[:, i, None] + keys


def location_sensitive(layer, query, value, key, mask, alignment=None):
    """Chorowski et al. 2015, equations 8 and 9: f_i = F * a_{i-1}, v^T tanh(W s + V h + U f + b).

    The convolution is over an odd number of keys, or one more to the right than to the left.
    """
    energy = additive_energy(layer, query, key)
    kernel = np.asarray(layer.location_convolution.get_weights()[0], "float64")[:, 0]
    size, (batch, length) = len(kernel), key.shape[:2]
    left = (size - 1) // 2

    def score(i, alignment):
        features = np.zeros((batch, length, kernel.shape[1]))
        for j in range(length):
            for offset in range(size):
                if 0 <= j + offset - left < length:
                    features[:, j] += alignment[:, j + offset - left, None] * kernel[offset]
        hidden = np.tanh(energy(i) + dense(layer.location_projection, features))
        return dense(layer.score_projection, hidden)[..., 0]

    def after(alignment, weights):
        return alignment + weights if layer.cumulative else weights

    alignment = np.zeros((batch, length)) if alignment is None else alignment
    return aligned(
        layer,
        query,
        value,
        key,
        mask,
        alignment,
        score,
        lambda e, _, m: masked_softmax(e, m),
        after,
    )


def coverage(layer, query, value, key, mask, alignment=None):
    """See et al. 2017, equations 10 and 11: e_i = v^T tanh(W_h h + W_s s + w_c c_i + b)."""
    energy = additive_energy(layer, query, key)
    w_c = np.asarray(layer.coverage_projection.get_weights()[0], "float64")[0]

    def score(i, alignment):
        hidden = np.tanh(energy(i) + alignment[..., None] * w_c)
        return dense(layer.score_projection, hidden)[..., 0]

    alignment = np.zeros(key.shape[:2]) if alignment is None else alignment
    return aligned(
        layer,
        query,
        value,
        key,
        mask,
        alignment,
        score,
        lambda e, _, m: masked_softmax(e, m),
        np.add,
    )


def monotonic_weights(stop, before):
    """Raffel et al. 2017, equations 11 to 13, key by key: `stop` is p_i, `before` is a_{i-1}."""
    weights, arrived = np.zeros_like(before), np.zeros(before.shape[:-1])
    for j in range(before.shape[-1]):
        arrived = arrived + before[..., j]
        weights[..., j] = stop[..., j] * arrived
        arrived = (1 - stop[..., j]) * arrived
    return weights


def monotonic_scores(layer, query, key):
    """Raffel et al. 2017, equation 16: g v^T tanh(W s + V h + b) / |v| + r, of all queries."""
    energy = additive_energy(layer, query, key)
    v = np.asarray(layer.score_projection.get_weights()[0], "float64")[:, 0]
    g, r = (float(np.asarray(w)) for w in (layer.score_scale, layer.score_bias))
    scores = [g * np.tanh(energy(i)) @ v / np.linalg.norm(v) + r for i in range(query.shape[1])]
    return np.stack(scores, axis=1)


def monotonic(layer, query, value, key, mask, alignment=None, mode=None):
    """Raffel et al. 2017, soft or hard."""
    scores, mode = monotonic_scores(layer, query, key), mode or layer.mode

    def normalize(scores, before, mask):
        stop = 1 / (1 + np.exp(-scores)) if mode == "soft" else (scores > 0).astype("float64")
        return monotonic_weights(np.where(mask, stop, 0), before)

    if alignment is None:
        alignment = np.zeros(key.shape[:2])
        alignment[:, 0] = 1
    return aligned(
        layer,
        query,
        value,
        key,
        mask,
        alignment,
        lambda i, _: scores[:, i],
        normalize,
        lambda before, weights: weights,
    )


def luong(layer, query, value, key, mask):
    """Luong et al. 2015, equation 8: score(h_t, h_s) by dot, general and concat."""
    query, value, key = (np.asarray(x, "float64") for x in (query, value, key))
    if layer.score_mode == "dot":
        scores = query @ key.swapaxes(1, 2)
    elif layer.score_mode == "general":
        scores = query @ dense(layer.key_projection, key).swapaxes(1, 2)
    else:
        hidden = (
            dense(layer.query_projection, query)[:, :, None]
            + dense(layer.key_projection, key)[:, None]
        )
        scores = dense(layer.score_projection, np.tanh(hidden))[..., 0]
    scalars = [weight for weight in layer.get_weights() if np.shape(weight) == ()]
    weights = masked_softmax(scores * scalars[0] if scalars else scores, mask)
    return weights @ value, weights


def multi_head_parts(layer):
    """Returns (kernel, bias) of the query, key, value and output projections."""
    number = 8 if layer.use_bias else 4  # What comes before is not of a projection.
    weights = [array(weight) for weight in layer.trainable_weights[-number:]]
    if layer.use_bias:
        return list(zip(weights[::2], weights[1::2], strict=True))
    return [(kernel, 0.0) for kernel in weights]


def heads(layer, query, value, key):
    """Queries, keys and values of all heads, and what the output projection does to a context."""
    inputs = [np.asarray(x, "float64") for x in (query, key, value)]
    *projections, (output_kernel, output_bias) = multi_head_parts(layer)
    heads = [
        np.einsum("bld,dnh->bnlh", x, kernel) + (bias[:, None] if np.ndim(bias) else bias)
        for x, (kernel, bias) in zip(inputs, projections, strict=True)
    ]
    group = heads[0].shape[1] // heads[1].shape[1]
    query, key, value = heads[0], *(np.repeat(head, group, axis=1) for head in heads[1:])

    def project(context):
        return np.einsum("bnth,nhd->btd", context, output_kernel) + output_bias

    return query, key, value, project


def multi_head(layer, query, value, key, mask):
    """Vaswani et al. 2017, equation 1 and section 3.2.2; query heads share key heads in groups."""
    query, key, value, project = heads(layer, query, value, key)
    scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1])
    weights = masked_softmax(scores, mask)
    return project(weights @ value), weights


def rotary(layer, query, value, key, mask):
    """Su et al. 2021, section 3.2.1: pairs as complex numbers, turned by m theta_i."""
    query, key, value, project = heads(layer, query, value, key)

    def turn(x):
        half = x.shape[-1] // 2
        theta = 10_000.0 ** (-np.arange(half) / half)
        angle = np.arange(x.shape[2])[:, None] * theta
        turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angle)
        return np.concatenate([turned.real, turned.imag], axis=-1)

    scores = turn(query) @ turn(key).swapaxes(2, 3) / np.sqrt(query.shape[-1])
    weights = masked_softmax(scores, mask)
    return project(weights @ value), weights


def biased(bias):
    """Multi-head attention with `bias(layer, distance j - i) -> (N, T, S)` added to the scores."""

    def attention(layer, query, value, key, mask):
        query, key, value, project = heads(layer, query, value, key)
        distance = np.arange(key.shape[2])[None] - np.arange(query.shape[2])[:, None]
        scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1])
        weights = masked_softmax(scores + bias(layer, distance), mask)
        return project(weights @ value), weights

    return attention


def alibi_bias(layer, distance):
    """Press et al. 2022, for the three heads of the test: the slopes of two, then one of four."""
    slopes = {3: [2**-4, 2**-8, 2**-2]}[layer.num_heads]
    return -np.array(slopes)[:, None, None] * np.abs(distance)


def relative_bias(layer, distance):
    """Distances below eight have a bucket each, 0 … 7 for keys before, 17 … 23 for those after."""
    table = array(layer.relative_bias)
    return table[np.where(distance > 0, 16 + distance, -distance)].transpose(2, 0, 1)


def sparse(layer, query, value, key, mask):
    """Multi-head attention under the layer's own pattern, which has tests of its own."""
    pattern = keras.ops.convert_to_numpy(layer.attention_pattern(query.shape[1]))
    return multi_head(layer, query, value, key, np.asarray(mask) & pattern)


def linear(layer, query, value, key, mask):
    """Katharopoulos et al. 2020, equation 5; FAVOR+ is lemma 1 of Choromanski et al. 2021."""
    query, key, value, project = heads(layer, query, value, key)

    def phi(x):
        if layer.feature_map == "elu":
            return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
        if layer.feature_map == "relu":
            return np.maximum(x, 0) + 1e-3
        x = x / layer.key_dim**0.25
        random = array(layer.random_features)
        return np.exp(x @ random.T - (x**2).sum(-1, keepdims=True) / 2)

    weights = phi(query) @ phi(key).swapaxes(2, 3) * mask
    total = weights.sum(-1, keepdims=True)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return project(weights @ value), weights
