"""The same encoder-decoder Transformer by several hands, each as a decoding to be timed.

Size 256, 4 + 4 layers of 8 heads, perceptrons of 1,024, 8,000 tokens in one table. Weights are
random and no text ends early, so that all write `NEW_TOKENS` tokens; float32 unless the name says
otherwise.
"""

import tempfile

import numpy as np

CONTENDERS = (
    "ours",
    "ours xla",
    "ours bfloat16",
    "ours jax",
    "transformers",
    "transformers bfloat16",
    "ctranslate2",
    "ctranslate2 int8",
)
VOCABULARY, DIM, DEPTH, HEADS, MLP_DIM = 8000, 256, 4, 8, 1024
SOURCE, NEW_TOKENS = 128, 64
PAD, START, END = range(3)


def prepare(name, backend, jit=False, precision="float32"):
    """What makes the step of a contender: `make(batch_size, beams)` returns it.

    A step decodes a batch, by greedy search if `beams` is 1, and returns the tokens it found,
    `(B, NEW_TOKENS)`. The first call does what a framework traces and compiles.

    Args:
        name: One of `CONTENDERS`, which also says what is compiled and how precise it is.
        backend: That of Keras in this process.
        jit: Unused.
        precision: Unused.
    """
    framework, _, variant = name.partition(" ")
    make = {"ours": _ours, "transformers": _transformers, "ctranslate2": _ctranslate2}[framework]
    return make(variant)


def sources(batch_size):
    """Ids `(B, SOURCE)` without special ones."""
    random = np.random.default_rng(0)
    return random.integers(END + 1, VOCABULARY, (batch_size, SOURCE)).astype("int32")


def _encoder_decoder():
    import layers

    return layers.encoder_decoder(
        VOCABULARY,
        DIM,
        encoder_layers=DEPTH,
        decoder_layers=DEPTH,
        num_heads=HEADS,
        mlp_dim=MLP_DIM,
        max_source=SOURCE,
        max_target=NEW_TOKENS,
    )


def _ours(variant):
    import keras

    from pipelines.decoding.generator import Generator

    if variant == "bfloat16":
        keras.config.set_dtype_policy("bfloat16")
    model = _encoder_decoder()

    def make(batch_size, beams):
        method = "greedy" if beams == 1 else "beam"
        generator = Generator(
            model, NEW_TOKENS, method=method, beams=beams, min_length=NEW_TOKENS - 1
        )
        generator.compile(jit_compile=True if variant == "xla" else "auto")
        batch = sources(batch_size)
        return lambda: generator.predict_on_batch(batch)["tokens"]

    return make


def _bart():
    """BART (Lewis et al., 2020), in the sizes of `_encoder_decoder`."""
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=VOCABULARY,
        d_model=DIM,
        encoder_layers=DEPTH,
        decoder_layers=DEPTH,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=MLP_DIM,
        decoder_ffn_dim=MLP_DIM,
        max_position_embeddings=SOURCE,
        pad_token_id=PAD,
        bos_token_id=START,
        decoder_start_token_id=START,
        eos_token_id=None,
        forced_eos_token_id=None,
        normalize_before=False,  # CTranslate2 asks for it.
    )
    return BartForConditionalGeneration(config).eval()


def _transformers(variant):
    import torch

    model = _bart()
    if variant == "bfloat16":
        model = model.to(torch.bfloat16)

    def make(batch_size, beams):
        batch = torch.from_numpy(sources(batch_size)).long()
        mask = torch.ones_like(batch)

        def step():
            with torch.inference_mode():
                tokens = model.generate(
                    batch,
                    attention_mask=mask,
                    num_beams=beams,
                    do_sample=False,
                    min_new_tokens=NEW_TOKENS,
                    max_new_tokens=NEW_TOKENS,
                    early_stopping=False,
                    use_cache=True,
                )
            return tokens[:, 1:].numpy()  # The first is the start token.

        return step

    return make


def _ctranslate2(variant):
    import ctranslate2
    from ctranslate2.converters.transformers import BartLoader

    words = [str(i) for i in range(VOCABULARY)]
    spec = BartLoader().get_model_spec(_bart())
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = words[PAD : END + 1]
    spec.config.decoder_start_token = words[START]
    spec.validate()
    spec.optimize()
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        translator = ctranslate2.Translator(folder, compute_type=variant or "float32")

    def make(batch_size, beams):
        batch = [[words[i] for i in row] for row in sources(batch_size)]

        def step():
            found = translator.translate_batch(
                batch,
                beam_size=beams,
                min_decoding_length=NEW_TOKENS,
                max_decoding_length=NEW_TOKENS,
            )
            return np.array([each.hypotheses[0] for each in found], dtype="int32")

        return step

    return make
