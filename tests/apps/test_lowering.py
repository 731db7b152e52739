"""Every application's training step in bfloat16 can be compiled for a GPU, on a machine without."""

import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import layers
from pipelines.data.buckets import Batches
from pipelines.training import fitting, rematerialization
from pipelines.training.pointer_loss import PointerCrossentropy
from pipelines.training.throughput.model_flops import training_flops
from pipelines.training.token_loss import TokenCrossentropy

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="JAX alone lowers for other machines")
B, S, T, V = 3, 24, 8, 300
SIZES = {"dim": 16, "num_heads": 2, "dropout": 0.1}
DEEP = {**SIZES, "encoder_layers": 1, "decoder_layers": 1}
KERNEL = re.compile(r"@__cudnn\$fmha\w*Backward")  # Of the fused attention, backwards.


def ids(*shape):
    return np.random.default_rng(0).integers(4, V, shape, "int32")


def captioning(**options):
    from apps.captioning import model
    from apps.captioning.config import Config

    config = Config(**{**DEEP, **options}, concept_weight=0.1)
    batch = {"picture": np.ones((B, 16, 5), "float32"), "tokens": ids(B, 2, T)}
    return config, model.build(config, (16, 5), V), batch, ids(B, 2, T), TokenCrossentropy()


def vision(pool="mean", **options):
    from apps.vision import model
    from apps.vision.config import Config

    shape = {"model": "vit", "depth": 1, "image_size": 16, "patch_size": 4, "pool": pool}
    config = Config(**{**SIZES, **options}, **shape)
    labels = keras.utils.to_categorical([0, 3, 4], 5)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return config, model.build(config, 3, 5), np.ones((B, 16, 16, 3), "float32"), labels, loss


def texts():
    return {"source": ids(B, S), "tokens": ids(B, T)}, ids(B, T)


def translation(**options):
    from apps.translation import model
    from apps.translation.config import Config

    config = Config(**{**DEEP, **options})
    return config, model.build(config, V), *texts(), TokenCrossentropy()


def summarization(**options):
    from apps.summarization import model
    from apps.summarization.config import Config

    config = Config(**{**DEEP, **options}, model="transformer")
    inputs, targets = texts()
    labels = np.concatenate([targets, inputs["source"]], axis=1)
    return config, model.build(config, V), inputs, labels, PointerCrossentropy(V)


def speech(**options):
    from apps.speech import model
    from apps.speech.config import Config

    config = Config(**{**DEEP, **options}, encoder="conformer", kernel_size=3, filters=4)
    sound = {"features": np.ones((B, 64, 80), "float32"), "frames": np.array([64, 60, 41], "int32")}
    labels = {"ctc": ids(B, T), "attention": ids(B, T)}
    arguments = model.objective(config)
    return config, model.build(config, V), {**sound, "tokens": ids(B, T)}, labels, arguments


def understanding(**options):
    from apps.understanding import model
    from apps.understanding.config import Config

    config = Config(**{**SIZES, **options}, model="transformer", task="sentiment")
    tokens = SimpleNamespace(vocabulary_size=V, has_shapes=False, pad=0, start=1, end=2)
    labels = keras.utils.to_categorical([0, 1, 1], 2)
    network = model.build(config, tokens, ["bad", "good"])
    return config, network, {"tokens": ids(B, S)}, labels, {}


APPLICATIONS = (captioning, vision, translation, summarization, speech, understanding)
# Without dropout, and of several heads: what copies has one head, of which the weights are needed.
ATTENTIONS = dict(zip(APPLICATIONS, (3, 1, 3, 3, 3, 2), strict=True))


def lowered(application, **options):
    """The program of a training step, for CUDA."""
    import jax

    config, network, inputs, labels, objective = application(precision="bfloat16", **options)
    if config.remat:
        rematerialization.turn_on(network)
    arguments = objective if isinstance(objective, dict) else {"loss": objective}
    batches = Batches(counts=[7 * B], sizes=[B], seed=0, read=None)
    fitting.compile_model(network, config, batches, epochs=3, **arguments)
    optimizer = network.optimizer

    def step(trained, others, state, inputs, labels):
        def loss(trained):
            outputs, changed, losses = network.stateless_call(
                trained, others, inputs, training=True, return_losses=True
            )
            value, _ = network.stateless_compute_loss(
                trained, changed, [], x=inputs, y=labels, y_pred=outputs, training=True
            )
            return value + sum(losses), changed

        (value, changed), slopes = jax.value_and_grad(loss, has_aux=True)(trained)
        return value, changed, *optimizer.stateless_apply(state, slopes, trained)

    variables = network.trainable_variables, network.non_trainable_variables, optimizer.variables
    values = keras.tree.map_structure(lambda each: each.value, variables)
    specs = keras.tree.map_structure(jax.typeof, values)
    traced = jax.jit(step).trace(*specs, inputs, labels)
    return traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.fixture(autouse=True)
def bfloat16():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@on_jax
@pytest.mark.parametrize("application", APPLICATIONS)
def test_backends_lower_a_training_step_for_cuda(application):
    program = lowered(application)
    assert "bf16" in program and not KERNEL.search(program)


@pytest.fixture
def gpu(monkeypatch):
    """What JAX and Keras ask of a GPU before they take its fused attention."""
    from jax._src.cudnn import fused_attention_stablehlo

    from layers.attention import multi_head_attention

    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91_000)
    monkeypatch.setattr(fused_attention_stablehlo, "check_compute_capability", lambda _: True)
    monkeypatch.setattr(multi_head_attention, "on_gpu", lambda: True)


@on_jax
@pytest.mark.parametrize("application", APPLICATIONS)
def test_backends_lower_to_the_fused_attention_of_gpus(application, gpu):
    program = lowered(application, dropout=0.0, remat=True)
    assert len(KERNEL.findall(program)) == ATTENTIONS[application]


@on_jax
def test_backends_lower_a_block_that_is_told_to_take_it(gpu):
    import jax

    attention = layers.MultiHeadAttention(2, 8, implementation="flash")
    block = layers.TransformerEncoderBlock(2, 32, attention=attention, remat=True)
    block.build((B, S, 16))

    def loss(trained, others, x):
        outputs, _ = block.stateless_call(trained, others, x, training=True)
        return outputs.sum().astype("float32")

    values = [
        [v.value for v in each]
        for each in (block.trainable_variables, block.non_trainable_variables)
    ]
    x = jax.numpy.ones((B, S, 16), "bfloat16")
    traced = jax.jit(jax.grad(loss)).trace(*values, x)
    program = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert len(KERNEL.findall(program)) == 1


@on_jax
def test_backends_count_the_operations_of_the_fused_attention(gpu, monkeypatch):
    _, network, inputs, *_ = translation(dropout=0.0)
    found = training_flops(network, inputs)
    monkeypatch.setattr("layers.attention.multi_head_attention.on_gpu", lambda: False)
    assert found == training_flops(network, inputs)


@on_jax
def test_backends_take_another_attention_where_the_fused_one_has_no_gradient(gpu):
    program = lowered(vision, pool="token", dropout=0.0)  # 17 tokens.
    assert "bf16" in program and not KERNEL.search(program)
