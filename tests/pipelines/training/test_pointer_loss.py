import keras
import numpy as np
import pytest
from keras import ops

from layers import PointerGenerator, RecurrentDecoder
from pipelines.text.tokenizer import PAD
from pipelines.training.pointer_loss import PointerCrossentropy

B, T, S, V = 3, 5, 7, 11


def data():
    """Log-probabilities of generating and copying, targets and a source that says words twice."""
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(V + S), (B, T))
    source = rng.integers(4, V, (B, S))
    source[:, [2, 6]] = source[:, :1]
    source[0, [1, 4]] = V + 1
    source[1, 5:] = PAD
    probs[1, :, V + 5 :] = 1e-20
    targets = rng.integers(4, V, (B, T))
    targets[:, 0] = source[:, 0]
    targets[0, 1] = V + 1
    targets[2, 3:] = PAD
    return np.log(probs).astype("float32"), targets, source


def labels(targets, source):
    return np.concatenate([targets, source], axis=1).astype("int32")


def naive(log_probs, targets, source, smooth=0.0):
    """The mean over real tokens of -log of the sum of all ways to write each."""
    losses = []
    for b in range(B):
        for t in range(T):
            target = targets[b, t]
            if target == PAD:
                continue
            probability = np.exp(log_probs[b, t, target]) if target < V else 0.0
            for j in range(S):
                if source[b, j] == target:
                    probability += np.exp(log_probs[b, t, V + j])
            even = np.mean([-log_probs[b, t, v] for v in range(V)])
            losses.append(-(1 - smooth) * np.log(probability) + smooth * even)
    return np.mean(losses)


@pytest.mark.parametrize("smooth", [0.0, 0.1, 0.5])
def test_it_equals_loops_over_all_ways_to_write_a_token(smooth):
    log_probs, targets, source = data()
    loss = PointerCrossentropy(V, smooth)(labels(targets, source), log_probs)
    np.testing.assert_allclose(loss, naive(log_probs, targets, source, smooth), rtol=1e-5)


def test_it_is_that_of_the_merged_probabilities():
    log_probs, targets, source = data()
    pointer = PointerGenerator(RecurrentDecoder(V, dim=4))
    losses = []
    for t in range(T):
        merged = np.asarray(pointer.merge(ops.convert_to_tensor(log_probs[:, t]), source))
        real = np.flatnonzero(targets[:, t] != PAD)
        losses += [-merged[b, targets[b, t]] for b in real]
    loss = PointerCrossentropy(V)(labels(targets, source), log_probs)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


def test_padding_has_no_part_in_it():
    log_probs, targets, source = data()
    expected = PointerCrossentropy(V, 0.1)(labels(targets, source), log_probs)
    wider = np.pad(log_probs, [(0, 0), (0, 2), (0, 3)], constant_values=-46.0)
    padded = labels(np.pad(targets, [(0, 0), (0, 2)]), np.pad(source, [(0, 0), (0, 3)]))
    np.testing.assert_allclose(PointerCrossentropy(V, 0.1)(padded, wider), expected, rtol=1e-5)
    assert float(PointerCrossentropy(V)(labels(0 * targets, source), log_probs)) == 0


def test_only_what_leads_to_a_target_is_pushed():
    import tensorflow as tf

    log_probs, targets, source = data()
    outputs = tf.constant(log_probs)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = PointerCrossentropy(V)(labels(targets, source), outputs)
    gradient = tape.gradient(loss, outputs).numpy()
    assert np.isfinite(gradient).all()
    expected = np.zeros((B, T, V + S), bool)
    for b in range(B):
        for t in range(T):
            if targets[b, t] != PAD:
                expected[b, t, V:] = source[b] == targets[b, t]
                expected[b, t, targets[b, t] % V] |= targets[b, t] < V
    np.testing.assert_array_equal(gradient < 0, expected)
    assert not (gradient > 0).any()


def test_half_precision_is_counted_in_float32():
    log_probs, targets, source = data()
    half = ops.cast(log_probs, "bfloat16")
    loss = PointerCrossentropy(V)(labels(targets, source), half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    rounded = ops.convert_to_numpy(ops.cast(half, "float32"))
    np.testing.assert_allclose(loss, naive(rounded, targets, source), rtol=1e-5)


def test_its_configuration_is_complete():
    loss = PointerCrossentropy(V, 0.2)
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert (again.vocabulary_size, again.label_smoothing, again.name) == (V, 0.2, loss.name)
