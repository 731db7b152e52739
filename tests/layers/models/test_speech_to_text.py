"""Subsampling, encoder and the model of CTC and attention: numbers, padding, decoding, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from layers import (
    ConvolutionalSubsampling,
    LocationSensitiveAttention,
    RecurrentDecoder,
    SpeechEncoder,
    SpeechToText,
    TransformerDecoder,
)
from pipelines.decoding.generator import Generator
from tests.layers.backend import gradients, randomise, to_numpy

B, F, M, T, V, D = 3, 29, 13, 5, 11, 8
FRAMES = np.array([29, 17, 6], "int32")
POSITIONS = [8, 5, 2]
BLOCKS = ("conformer", "transformer", "lstm")


def features(length=F):
    x = np.random.default_rng(0).normal(size=(B, length, M)).astype("float32")
    # What pads an utterance may be anything.
    return np.where(np.arange(length)[None, :, None] < FRAMES[:, None, None], x, 7.0)


def close(actual, expected, tolerance=2e-5):
    np.testing.assert_allclose(to_numpy(actual), to_numpy(expected), rtol=tolerance, atol=tolerance)


def encoder(block="conformer", **options):
    return SpeechEncoder(D, 1, block, num_heads=2, kernel_size=3, filters=3, **options)


def build(decoder="transformer", block="conformer", ctc=True):
    if decoder == "transformer":
        decoder = TransformerDecoder(V, D, num_layers=1, num_heads=2, max_length=8)
    elif decoder == "rnn":
        decoder = RecurrentDecoder(V, D, LocationSensitiveAttention(4, filters=2, kernel_size=3))
    model = SpeechToText(encoder(block), decoder, V if ctc else None)
    model.build({"features": (None, None, M)})
    return randomise(model, scale=0.4)


def data():
    tokens = np.random.default_rng(1).integers(3, V, (B, T)).astype("int32")
    tokens[:, 0] = 1
    return {"features": features(), "frames": FRAMES, "tokens": tokens}


def test_subsampling_is_two_strided_convolutions_and_a_product():
    layer = ConvolutionalSubsampling(D, filters=3)
    layer.build((B, F, M))
    randomise(layer)
    x = np.asarray(features())[..., None]
    for convolution in layer.convolutions:
        kernel, bias = (to_numpy(weight) for weight in convolution.weights)
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        rows, columns = -(-x.shape[1] // 2), -(-x.shape[2] // 2)
        out = np.zeros((B, rows, columns, 3))
        for i in range(rows):
            for j in range(columns):
                patch = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                out[:, i, j] = np.einsum("bhwc,hwco->bo", patch, kernel)
        x = np.maximum(out + bias, 0)
    kernel, bias = (to_numpy(weight) for weight in layer.output_dense.weights)
    close(layer(features()), x.reshape(B, 8, -1) @ kernel + bias, 1e-4)
    assert layer.compute_output_shape((B, F, M)) == (B, 8, D)
    assert layer.compute_output_shape((None, None, M)) == (None, None, D)


@pytest.mark.parametrize("block", BLOCKS)
def test_an_utterance_is_the_same_alone_and_in_a_batch(block):
    model = build(block=block)
    inputs = data()
    together, weights = model(inputs, return_attention_scores=True)
    for row, count in enumerate(POSITIONS):
        alone = {key: value[row : row + 1] for key, value in inputs.items()}
        alone["features"] = alone["features"][:, : FRAMES[row]]
        found, own_weights = model(alone, return_attention_scores=True)
        assert found["ctc"].shape == (1, count, V + 1)
        close(together["ctc"][row, :count], found["ctc"][0])
        close(together["attention"][row], found["attention"][0])
        close(weights[row, :, :count], own_weights[0])
        assert not to_numpy(weights)[row, :, count:].any()


@pytest.mark.parametrize("block", BLOCKS)
def test_the_mask_tells_the_real_positions(block):
    layer = encoder(block)
    _, mask = layer(features(), FRAMES)
    assert to_numpy(mask).sum(1).tolist() == POSITIONS


def test_what_pads_is_blank_with_certainty_and_padding_is_no_blank():
    log_probs = to_numpy(build()(data())["ctc"])
    for row, count in enumerate(POSITIONS):
        assert (log_probs[row, count:, V] == 0).all()
        assert (log_probs[row, count:, :V] < -1e8).all()
        np.testing.assert_allclose(np.exp(log_probs[row, :count]).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("position", ["rotary", "alibi", "relative"])
def test_positions_inside_of_attention_take_the_place_of_sinusoids(position):
    layer = encoder("transformer", position=position)
    layer.build((B, F, M))
    randomise(layer)
    assert layer.positions is None
    assert layer.blocks[0].self_attention.position == position
    memory, _ = layer(features(), FRAMES)
    restored = SpeechEncoder.from_config(layer.get_config())
    restored.build((B, F, M))
    restored.set_weights(layer.get_weights())
    close(restored(features(), FRAMES)[0], memory)


@pytest.mark.parametrize("decoder", ["transformer", "rnn"])
def test_steps_say_what_the_whole_pass_says(decoder):
    model, inputs = build(decoder), data()
    outputs, weights = model(inputs, return_attention_scores=True)
    sound = {key: inputs[key] for key in ("features", "frames")}
    memory, state, length = model.start(sound, 1, T)
    assert int(length) == max(POSITIONS)
    close(model.ctc_log_probs(memory), outputs["ctc"])
    close(model.listen(sound), outputs["ctc"])
    for index in range(T):
        logits, step_weights, state = model.step(inputs["tokens"][:, index], index, memory, state)
        close(logits, outputs["attention"][:, index], 1e-4)
        close(step_weights, weights[:, index], 1e-4)


@pytest.mark.parametrize("decoder", [pytest.param("transformer", marks=pytest.mark.slow), "rnn"])
def test_a_beam_decodes_each_utterance_as_it_does_alone(decoder):
    generator = Generator(build(decoder), 6, method="beam", beams=3)
    inputs = {key: data()[key] for key in ("features", "frames")}
    together = generator.predict_on_batch(inputs)
    for row, count in enumerate(POSITIONS):
        alone = {key: value[row : row + 1] for key, value in inputs.items()}
        alone["features"] = alone["features"][:, : FRAMES[row]]
        found = generator.predict_on_batch(alone)
        np.testing.assert_array_equal(together["tokens"][row], found["tokens"][0])
        close(together["weights"][row, :, :count], found["weights"][0], 1e-4)


def test_one_of_the_two_heads_is_enough():
    inputs = data()
    assert set(build(ctc=False)(inputs)) == {"attention"}
    alone = build(decoder=None)
    assert set(alone({key: inputs[key] for key in ("features", "frames")})) == {"ctc"}
    with pytest.raises(ValueError, match="One of `decoder` and `vocabulary_size`"):
        SpeechToText(encoder())


def test_both_heads_teach_the_encoder():
    model, inputs = build(), data()

    def loss(name):
        return lambda: ops.sum(ops.log_softmax(model(inputs)[name][..., :V])[:, :2, 4])

    of_encoder = model.encoder.trainable_variables
    for name in ("ctc", "attention"):
        found = gradients(loss(name), of_encoder)
        assert sum(gradient.any() for gradient in found) >= len(found) - 1


@pytest.mark.parametrize("decoder", ["transformer", "rnn", None])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_saved_model_says_the_same(decoder, block, tmp_path):
    model, inputs = build(decoder, block), data()
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    for name, output in model(inputs).items():
        close(restored(inputs)[name], output)


def test_an_unknown_block_is_an_error():
    with pytest.raises(ValueError, match="Received: block='gru'"):
        SpeechEncoder(D, block="gru")
