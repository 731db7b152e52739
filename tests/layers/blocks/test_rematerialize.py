"""What is computed again in the backward pass changes no number, with dropout too."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import layers
from layers import ConformerBlock, TransformerDecoderBlock, TransformerEncoderBlock
from tests.layers.backend import BACKEND, gradients, randomise, to_numpy
from tests.layers.transformer_blocks import MEMORY_MASK, MLP, X_MASK, B, D, N, S, T, close, data

DROPOUT = {"dropout": 0.3, "seed": 3}
BLOCKS = {
    "encoder": lambda **options: TransformerEncoderBlock(
        N, MLP, layer_scale=0.5, stochastic_depth=0.4, **options
    ),
    "decoder": lambda **options: TransformerDecoderBlock(N, MLP, norm_first=False, **options),
    "conformer": lambda **options: ConformerBlock(N, MLP, kernel_size=3, **options),
}
WEIGHTED = {"return_attention_scores": True}


def make(name, remat, **options):
    block = BLOCKS[name](remat=remat, **DROPOUT, **options)
    block.build((B, T, D), *([(B, S, D)] if name == "decoder" else []))
    return randomise(block, scale=0.3)


def training(name, **options):
    """Loss, gradients, weights and seeds of a step, without and with recomputation."""
    x, memory = data(memory_dim=D)
    target = ops.convert_to_tensor(np.random.default_rng(2).normal(size=(B, T, D)), "float32")
    found = []
    for remat in (False, True):
        block, seen = make(name, remat, **options), []

        def loss(block=block, seen=seen):
            inputs = {"mask": X_MASK, **WEIGHTED, "training": True}
            given = (x, memory) if name == "decoder" else (x,)
            if name == "decoder":
                inputs["memory_mask"] = MEMORY_MASK
            output, weights = block(*given, **inputs)
            error = ops.sum(ops.square(ops.cast(output, "float32") - target))
            error = error + ops.sum(ops.square(ops.cast(weights, "float32")))
            if BACKEND != "jax":
                seen[:] = [to_numpy(ops.convert_to_tensor(error)), to_numpy(weights)]
            return error

        slopes = gradients(loss, block.trainable_variables)
        if BACKEND == "jax":
            seen[:] = [to_numpy(loss())]
        found.append((seen, slopes, [to_numpy(v.value) for v in block.variables]))
    return found


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", BLOCKS)
def test_loss_gradients_and_weights_are_those_of_the_plain_block(name, dtype):
    plain, again = training(name, dtype=dtype)
    for expected, actual in zip(plain, again, strict=True):
        for one, other in zip(expected, actual, strict=True):
            close(other, one, 1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow alone has graphs of any length")
def test_a_dropout_in_a_graph_of_any_length_is_drawn_twice_alike():
    import tensorflow as tf

    found = []
    for remat in (False, True):
        block = make("encoder", remat)
        variables = [variable.value for variable in block.trainable_variables]

        @tf.function(input_signature=[tf.TensorSpec((None, None, D))])
        def slopes(x, block=block, variables=variables):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(block(x, training=True) ** 2)
            return loss, *tape.gradient(loss, variables)

        found.append([to_numpy(each) for each in slopes(data()[0])])
    for one, other in zip(*found, strict=True):
        close(other, one)


def fit(remat, jit):
    keras.utils.set_random_seed(1)
    model = layers.encoder_decoder(
        11,
        8,
        num_heads=2,
        encoder_layers=1,
        decoder_layers=1,
        dropout=0.3,
        remat=remat,
        copies=True,
    )
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit)
    tokens = np.random.default_rng(0).integers(0, 11, (2, 3, 5))
    pairs = [({"source": each, "tokens": each}, np.zeros((3, 5, 16))) for each in tokens]
    batches = (pair for pair in itertools.cycle(pairs))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        # Of lengths that are known when it runs, as those of a training on texts.
        ids, outputs = tf.TensorSpec((None, None), "int64"), tf.TensorSpec((None, None, 16))
        specs = ({"source": ids, "tokens": ids}, outputs)
        batches = tf.data.Dataset.from_generator(lambda: pairs, output_signature=specs).repeat()
    model.fit(batches, epochs=2, steps_per_epoch=2, verbose=0)
    return [to_numpy(v.value) for v in model.variables]


@pytest.mark.parametrize("jit", [False, True] if BACKEND == "tensorflow" else [BACKEND == "jax"])
def test_training_of_a_whole_model_ends_with_the_same_variables(jit):
    for expected, actual in zip(fit(False, jit), fit(True, jit), strict=True):
        close(actual, expected, 1e-5)


def networks(**options):
    tokenizer = layers.patch_tokenizer((8, 8, 3), 4, D)
    yield layers.TransformerEncoder(1, 2, **options), (None, None, D)
    yield layers.TransformerDecoder(11, D, 1, 2, **options), (None, None), (None, None, D)
    yield layers.SpeechEncoder(D, 1, "conformer", 2, **options), (None, None, 8)
    yield layers.SpeechEncoder(D, 1, "transformer", 2, **options), (None, None, 8)
    yield layers.VisionTransformer(tokenizer, 3, 1, 2, 7, **options), (None, 8, 8, 3)
    yield layers.ImageEncoder(D, num_layers=1, num_heads=2, **options), (None, 9, 5)
    yield (layers.Whisper(11, D, 1, 2, 7, **options),)


def test_networks_hand_it_on_to_their_blocks_and_to_their_configurations():
    for remat, options in ((True, {"remat": True}), (False, {})):
        for network, *shapes in networks(**options):
            network.build(*shapes)
            named = ("blocks", "encoder_blocks", "decoder_blocks")
            blocks = [block for name in named for block in getattr(network, name, [])]
            assert blocks and {block.remat for block in blocks} == {remat}
            config = network.get_config()
            assert type(network).from_config(config).remat is remat
            del config["remat"]  # As in older files.
            assert type(network).from_config(config).remat is False
