"""The same encoder-decoder Transformer by several hands, each as a decoding to be timed.

Width 256, 4 + 4 layers of 8 heads, 8,000 words, one table of embeddings. Weights are random and no
text ends early, so that all write the same number of tokens; float32 unless the name says otherwise.
"""

import tempfile

import numpy as np

CONTENDERS = ("ours", "ours xla", "ours bfloat16", "ours jax", "torch", "torch bfloat16", "ct2")
VOCABULARY, DIM, DEPTH, HEADS, MLP_DIM = 8000, 256, 4, 8, 1024
SOURCE, NEW_TOKENS = 128, 64


def prepare(name, backend, jit=False, precision="float32"):
    """What makes the step of a contender: `make(batch_size, beams)` returns it.

    A step decodes one batch and returns its tokens `(B, NEW_TOKENS)`.

    Args:
        name: One of `CONTENDERS`, which also says what is compiled and how precise it is.
        backend: That of Keras in this process.
        jit: Unused.
        precision: Unused.
    """
    framework, _, variant = name.partition(" ")
    make = {"ours": _ours, "torch": _torch, "ct2": _ctranslate2}[framework]
    return make(variant)


def sources(batch_size):
    """Token ids `(B, SOURCE)`, none of them a special one."""
    random = np.random.default_rng(0)
    return random.integers(3, VOCABULARY, (batch_size, SOURCE)).astype("int32")


def _ours(variant):
    import keras

    import layers
    from pipelines.decoding import Generator

    keras.utils.set_random_seed(0)
    if variant == "bfloat16":
        keras.config.set_dtype_policy("bfloat16")
    model = layers.encoder_decoder(
        VOCABULARY,
        DIM,
        encoder_layers=DEPTH,
        decoder_layers=DEPTH,
        num_heads=HEADS,
        mlp_dim=MLP_DIM,
        max_source=SOURCE,
        max_target=NEW_TOKENS,
    )

    def make(batch_size, beams):
        generator = Generator(
            model,
            NEW_TOKENS,
            method="beam" if beams > 1 else "greedy",
            beams=beams,
            min_length=NEW_TOKENS - 1,
        )
        generator.compile(jit_compile=True if variant == "xla" else "auto")
        batch = sources(batch_size)
        return lambda: generator.predict_on_batch(batch)["tokens"]

    return make


def _bart():
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(0)
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
        pad_token_id=0,
        bos_token_id=1,
        decoder_start_token_id=1,
        eos_token_id=None,
        forced_eos_token_id=None,
    )
    return BartForConditionalGeneration(config).eval()


def _torch(variant):
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
            return tokens[:, 1:].numpy()

        return step

    return make


def _ctranslate2(variant):
    import ctranslate2
    from ctranslate2.converters.transformers import BartLoader

    spec = BartLoader().get_model_spec(_bart())
    words = [f"w{i}" for i in range(VOCABULARY)]
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    spec.config.decoder_start_token, spec.config.bos_token = words[1], words[1]
    spec.config.eos_token, spec.config.unk_token = words[2], words[0]
    spec.validate()
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
                max_batch_size=0,
            )
            return np.array([[int(word[1:]) for word in each.hypotheses[0]] for each in found])

        return step

    return make
