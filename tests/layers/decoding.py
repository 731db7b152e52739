"""What both decoders promise to whoever decodes with them, against whole passes."""

import json

import keras
import numpy as np
from keras import ops

from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, PAD, START
from tests.layers.backend import randomise, to_numpy

EXAMPLES, KEYS, DIM, VOCABULARY, LENGTH = 3, 6, 8, 9, 4
MASK = np.array([[True] * 6, [True] * 4 + [False] * 2, [False, True, True, False, True, False]])


@keras.saving.register_keras_serializable("attention_suite.tests")
class Speaker(keras.Model):
    """The smallest model around a decoder: its memory, and its mask, are the inputs."""

    def __init__(self, decoder, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder

    def build(self, inputs_shape):
        if not self.decoder.built:
            self.decoder.build(inputs_shape["tokens"], inputs_shape["memory"])
        self.built = True

    def call(self, inputs):
        return self.decoder(inputs["tokens"], inputs["memory"], memory_mask=inputs["mask"])

    def start(self, inputs, candidates, max_length):
        memory, mask = inputs["memory"], inputs.get("mask")
        projected, state = self.decoder.start(memory, candidates, max_length, memory_mask=mask)
        return projected, state, memory.shape[1]

    def step(self, tokens, index, memory, state):
        return self.decoder.step(tokens, index, memory, state)

    def get_config(self):
        return {"decoder": keras.saving.serialize_keras_object(self.decoder)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["decoder"]))

    def get_build_config(self):
        return {"tokens": (None, None), "memory": (None, None, DIM)}

    def build_from_config(self, config):
        self.build({name: tuple(shape) for name, shape in config.items()})


def build(decoder, seed=0, scale=0.5):
    decoder.build((None, None), (None, None, DIM))
    return randomise(decoder, seed, scale)


def memories(seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(EXAMPLES, KEYS, DIM)).astype("float32")


def decode(decoder, memory, mask=None, compiled=False, **options):
    model = Speaker(decoder)
    model.built = True
    generator = Generator(model, LENGTH, **options)
    inputs = {"memory": memory} if mask is None else {"memory": memory, "mask": mask}
    if compiled:
        return generator.predict(inputs, verbose=0)
    return to_numpy(generator(keras.tree.map_structure(ops.convert_to_tensor, inputs)))


def whole_pass(decoder, tokens, memory, mask=None):
    """Log-probabilities and weights of all positions, each after the tokens before it."""
    before = np.concatenate([np.full((len(tokens), 1), START), tokens[:, :-1]], axis=1)
    logits, weights = to_numpy(
        decoder(before.astype("int32"), memory, memory_mask=mask, return_attention_scores=True)
    )
    logits = logits.astype("float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True)), weights


def before_end(tokens):
    """Where a sequence still goes on, its end included: booleans of the shape of `tokens`."""
    ends = tokens == END
    return np.cumsum(ends, axis=-1) - ends == 0


def check_found(decoder, found, memory, mask=None, tolerance=1e-5):
    """That weights and score are those of a whole pass over the tokens that were found.

    Returns the likeliest token at each position, after the tokens found before it.
    """
    tokens = found["tokens"]
    real = before_end(tokens)
    assert not tokens[~real].any()
    log_probs, weights = whole_pass(decoder, tokens, memory, mask)
    np.testing.assert_allclose(
        found["weights"], np.where(real[..., None], weights, 0), rtol=1e-4, atol=tolerance
    )
    chosen = np.take_along_axis(log_probs, tokens[..., None], axis=-1)[..., 0]
    scores = (chosen * real).sum(-1) / real.sum(-1)
    np.testing.assert_allclose(found["score"], scores, rtol=1e-4, atol=tolerance)
    return np.where(real, log_probs.argmax(-1), PAD)


class DecoderPromises:
    """Each test takes `make`, which makes a decoder with one mechanism."""

    def test_greedy_search_equals_whole_passes(self, make):
        decoder, memory = build(make()), memories()
        found = decode(decoder, memory, MASK)
        likeliest = check_found(decoder, found, memory, MASK)
        np.testing.assert_array_equal(found["tokens"], likeliest)

    def test_beam_search_keeps_weights_and_states_with_their_candidate(self, make):
        decoder, memory = build(make()), memories()
        found = decode(decoder, memory, MASK, method="beam", beams=4)
        check_found(decoder, found, memory, MASK)
        np.testing.assert_allclose(
            found["weights"].sum(-1), before_end(found["tokens"]), rtol=1e-5, atol=1e-5
        )
        assert not found["weights"][~np.repeat(MASK[:, None], LENGTH, axis=1)].any()

    def test_several_sequences_share_a_memory(self, make):
        decoder, memory = build(make()), memories()
        tokens = np.random.default_rng(2).integers(0, VOCABULARY, (4 * EXAMPLES, LENGTH))
        shared = whole_pass(decoder, tokens, memory, MASK)
        alone = whole_pass(
            decoder, tokens, np.repeat(memory, 4, axis=0), np.repeat(MASK, 4, axis=0)
        )
        for found, expected in zip(shared, alone, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    def test_a_saved_model_decodes_alike(self, make, tmp_path):
        model = Speaker(build(make(dropout=0.1)))
        inputs = {"tokens": np.ones((EXAMPLES, 2), "int32"), "memory": memories(), "mask": MASK}
        logits = to_numpy(model(inputs))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(to_numpy(loaded(inputs)), logits, rtol=1e-5, atol=1e-6)
        found = decode(loaded.decoder, memories(), MASK)
        check_found(model.decoder, found, memories(), MASK)

    def test_the_configuration_comes_back_whole(self, make):
        decoder = make(dropout=0.25, seed=7, name="speaker", dtype="mixed_bfloat16")
        config = json.loads(json.dumps(decoder.get_config()))
        rebuilt = type(decoder).from_config(config)
        assert rebuilt.get_config() == config
        assert (rebuilt.dropout, rebuilt.seed, rebuilt.name) == (0.25, 7, "speaker")
        assert rebuilt.vocabulary_size == VOCABULARY and rebuilt.dim == DIM
        assert rebuilt.dtype_policy.name == "mixed_bfloat16"


class DecodingPromises:
    """What needs no more than one mechanism of each decoder."""

    def test_a_compiled_search_equals_whole_passes(self, make):
        decoder, memory = build(make(), seed=3), memories()
        found = decode(decoder, memory, compiled=True, method="beam", beams=3)
        check_found(decoder, found, memory)

    def test_a_masked_end_of_the_memory_might_as_well_not_be_there(self, make):
        decoder, memory = build(make()), memories()
        mask = np.repeat([[True] * 4 + [False] * 2], EXAMPLES, axis=0)
        longer = decode(decoder, memory, mask, method="beam", beams=2)
        shorter = decode(decoder, memory[:, :4], method="beam", beams=2)
        np.testing.assert_array_equal(longer["tokens"], shorter["tokens"])
        np.testing.assert_allclose(longer["score"], shorter["score"], rtol=1e-4)
        np.testing.assert_allclose(longer["weights"][..., :4], shorter["weights"], 1e-4, 1e-5)
        assert not longer["weights"][..., 4:].any()

    def test_a_wide_beam_finds_the_best_of_all_sequences(self, make):
        decoder, memory = build(make(vocabulary_size=4)), memories()
        tokens = np.stack(np.meshgrid(*[np.arange(4)] * LENGTH, indexing="ij"), -1)
        tokens = tokens.reshape(-1, LENGTH)
        real = before_end(tokens)
        tokens = np.unique(np.where(real, tokens, PAD), axis=0)
        real = before_end(tokens)
        found = decode(decoder, memory, method="beam", beams=len(tokens), length_penalty=0.5)
        greedy = decode(decoder, memory, length_penalty=0.5)
        for i in range(EXAMPLES):
            # All sequences share the one memory.
            log_probs, weights = whole_pass(decoder, tokens, memory[i : i + 1])
            chosen = np.take_along_axis(log_probs, tokens[..., None], axis=-1)[..., 0]
            scores = (chosen * real).sum(-1) / real.sum(-1) ** 0.5
            best = scores.argmax()
            np.testing.assert_array_equal(found["tokens"][i], tokens[best])
            np.testing.assert_allclose(found["score"][i], scores[best], rtol=1e-4)
            expected = np.where(real[best][:, None], weights[best], 0)
            np.testing.assert_allclose(found["weights"][i], expected, rtol=1e-4, atol=1e-5)
        assert (found["score"] >= greedy["score"] - 1e-5).all()
        assert (found["tokens"] != greedy["tokens"]).any()

    def test_half_precision_decodes(self, make):
        decoder = build(make(dtype="mixed_float16"), scale=0.3)
        found = decode(decoder, memories(), MASK, method="beam", beams=2)
        check_found(decoder, found, memories(), MASK, tolerance=0.02)
