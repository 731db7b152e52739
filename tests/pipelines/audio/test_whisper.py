"""Whisper out of a KerasHub preset, beside KerasHub's own backbone, tokenizer and features."""

import json
import shutil

import keras
import librosa
import numpy as np
import pytest
import tensorflow as tf
from tokenizers import pre_tokenizers

from layers import Whisper
from pipelines.audio import audio_files, whisper
from pipelines.commands.errors import UserError
from pipelines.decoding.generator import Generator
from pipelines.text.tokenizer import END, PAD, START, Tokenizer

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = ["Ġ t", "h e", "Ġt he", "Ġ s", "e a"]
WORDS = [*ALPHABET, *("".join(merge.split(" ")) for merge in MERGES)]
EOS = len(WORDS)
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|translate|>", "<|transcribe|>"]
SPECIAL = {token: EOS + i for i, token in enumerate([*SPECIAL, "<|notimestamps|>"])}
LANGUAGES = {"<|en|>": EOS + 7, "<|de|>": EOS + 9}
PROMPTS = {
    "english": [SPECIAL["<|startoftranscript|>"], SPECIAL["<|notimestamps|>"]],
    "german": [
        SPECIAL["<|startoftranscript|>"],
        LANGUAGES["<|de|>"],
        SPECIAL["<|transcribe|>"],
        SPECIAL["<|notimestamps|>"],
    ],
}
VOCABULARY, FRAMES, MELS, T = EOS + 13, 100, 11, 5


def save_preset(folder, language_tokens, frames=FRAMES, length=13):
    """A small random Whisper with a vocabulary of its own."""
    import keras_hub

    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.WhisperBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=2,
        num_heads=2,
        hidden_dim=10,
        intermediate_dim=17,
        num_mels=MELS,
        max_encoder_sequence_length=frames,
        max_decoder_sequence_length=length,
    )
    rng = np.random.default_rng(2)
    backbone.set_weights([rng.normal(0, 0.6, w.shape) for w in backbone.weights])
    backbone.decoder_layer_norm.set_weights([np.ones(10), np.zeros(10)])
    backbone.save_to_preset(str(folder))
    keras_hub.models.WhisperTokenizer(
        vocabulary={token: id for id, token in enumerate(WORDS)},
        merges=MERGES,
        special_tokens=SPECIAL,
        language_tokens=language_tokens,
    ).save_to_preset(str(folder))
    seconds = frames // 100
    keras_hub.layers.WhisperAudioConverter(num_mels=MELS, max_audio_length=seconds).save_to_preset(
        str(folder)
    )
    return folder


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    english = save_preset(folder / "english", None)
    return {"english": english, "german": save_preset(folder / "german", LANGUAGES)}


def load(presets, name):
    return whisper.load(str(presets[name]), Whisper, language=name[:2].replace("ge", "de"))


@pytest.fixture(scope="module")
def english(presets):
    return load(presets, "english")


def backbone_of(preset):
    import keras_hub

    return keras_hub.models.WhisperBackbone.from_preset(str(preset))


def their_logits(backbone, features, tokens):
    """Of KerasHub's backbone, as the table that embeds tokens gives them."""
    outputs = backbone(
        {
            "encoder_features": features,
            "decoder_token_ids": tokens,
            "decoder_padding_mask": np.ones_like(tokens),
        }
    )
    table = backbone.token_embedding.get_weights()[0]
    return keras.ops.convert_to_numpy(outputs["decoder_sequence_output"]) @ table.T


def spectrograms(count=3):
    return np.random.default_rng(1).normal(size=(count, FRAMES, MELS)).astype("float32")


def waveforms(lengths=(7001, 16000, 19001)):
    rng = np.random.default_rng(3)
    return [rng.normal(0, 0.1, length).astype("float32") for length in lengths]


# The model


@pytest.mark.parametrize("name", PROMPTS)
def test_logits_are_those_of_the_backbone(name, presets):
    model, features = load(presets, name).model, spectrograms()
    text = np.random.default_rng(4).integers(0, EOS, (len(features), T - 1))
    prompt = np.repeat([PROMPTS[name]], len(features), axis=0)
    backbone = backbone_of(presets[name])
    theirs = their_logits(backbone, features, np.concatenate([prompt, text], 1).astype("int32"))
    theirs = theirs[:, -T:]
    tokens = np.pad(text + 3, [(0, 0), (1, 0)], constant_values=START).astype("int32")
    ours = keras.ops.convert_to_numpy(model({"features": features, "tokens": tokens}))
    assert ours.shape[-1] == EOS + 3 and np.ptp(theirs) > 1
    np.testing.assert_allclose(ours[..., 3:], theirs[..., :EOS], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours[..., END], theirs[..., EOS], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours[..., START], theirs[..., EOS + 1], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(ours[..., PAD], 0)


def plain_greedy(backbone, features, prompt, length):
    """The loop of the authors, in their ids: a whole pass over sound and text for each token."""
    tokens = [*prompt]
    while len(tokens) < len(prompt) + length:
        logits = their_logits(backbone, features[None], np.array([tokens], "int32"))[0, -1]
        logits = logits[: EOS + 1]
        if len(tokens) == len(prompt):
            logits[[WORDS.index("Ġ"), EOS]] = -np.inf
        tokens.append(int(logits.argmax()))
        if tokens[-1] == EOS:
            break
    return tokens[len(prompt) :]


@pytest.mark.parametrize("name", ["english", pytest.param("german", marks=pytest.mark.slow)])
def test_greedy_decoding_equals_the_plain_loop(name, presets):
    pretrained, features = load(presets, name), spectrograms(5)
    found = Generator(pretrained.model, T).predict_on_batch({"features": features})["tokens"]
    backbone = backbone_of(presets[name])
    expected = [plain_greedy(backbone, each, PROMPTS[name], T) for each in features]
    for ours, theirs in zip(keras.ops.convert_to_numpy(found), expected, strict=True):
        theirs = [END if token == EOS else token + 3 for token in theirs]
        np.testing.assert_array_equal(ours, theirs + [PAD] * (T - len(theirs)))
    assert len({tuple(tokens) for tokens in expected}) > 1


def test_the_sizes_are_those_of_the_preset(english):
    config = english.model.get_config()
    sizes = ("dim", "num_layers", "num_heads", "mlp_dim", "num_mels", "max_frames", "max_length")
    assert [config[name] for name in sizes] == [10, 2, 2, 17, MELS, FRAMES, 13]
    assert english.model.vocabulary_size == english.tokenizer.vocabulary_size == EOS + 3
    assert config["forbidden_first"] == [END, WORDS.index("Ġ") + 3]


def test_a_model_in_half_precision_has_the_weights_in_full(english, presets):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = load(presets, "english")
        sound = half.extractor(waveforms()[0])
    finally:
        keras.config.set_dtype_policy(policy)
    assert half.model.compute_dtype == "bfloat16"
    assert np.asarray(sound).dtype == np.float32
    for one, other in zip(half.model.get_weights(), english.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# The tokenizer

TEXTS = ["the sea", " two  spaces", "It's the 3rd, isn't it?", "Grüße aus 東京", "<|endoftext|>x"]


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_preset(text, english, presets):
    import keras_hub

    (ids,) = english.tokenizer.encode([text])
    theirs = keras_hub.models.WhisperTokenizer.from_preset(str(presets["english"]))
    if text != TEXTS[-1]:  # There ids of special tokens would be read out of a text.
        expected = np.asarray(theirs(" " + text))
        np.testing.assert_array_equal(ids[1:-1], expected + 3)
    assert (ids[0], ids[-1]) == (START, END)
    assert all(3 <= id < EOS + 3 for id in ids[1:-1])
    assert english.tokenizer.decode(ids) == text.strip()


def test_a_saved_tokenizer_is_the_same(english, tmp_path):
    english.tokenizer.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.encode(TEXTS) == english.tokenizer.encode(TEXTS)
    (ids,) = loaded.encode(["the sea "])
    assert len(ids) == 6  # Start, "Ġthe", "Ġs", "ea", a blank, the end.
    assert loaded.words(ids)[0] == ["the", "sea"]


# The features


def expected_features(waveform):
    """As the authors compute them, by librosa."""
    waveform = librosa.util.fix_length(waveform, size=16000)
    mels = librosa.feature.melspectrogram(
        y=waveform, sr=16000, n_fft=400, hop_length=160, n_mels=MELS, pad_mode="reflect"
    )
    log = np.log10(np.maximum(mels[:, :-1].T, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def test_features_are_those_of_the_authors(english):
    for waveform in waveforms():
        found = np.asarray(english.extractor(waveform))
        assert found.shape == (FRAMES, MELS)
        np.testing.assert_allclose(found, expected_features(waveform), atol=1e-4)


def test_features_inside_a_data_set(english, tmp_path):
    whisper.save_extractor(english.extractor, tmp_path)
    extractor = whisper.load_extractor(tmp_path)
    assert extractor.get_config() == english.extractor.get_config()
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(waveforms()), output_signature=tf.TensorSpec((None,))
    )
    found = list(dataset.map(extractor).as_numpy_iterator())
    for features, waveform in zip(found, waveforms(), strict=True):
        np.testing.assert_allclose(features, expected_features(waveform), atol=1e-4)


def test_features_that_cannot_be_read(tmp_path):
    path = tmp_path / "audio_converter.json"
    for content in (None, "{", '{"bells": 3}', "[]"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(UserError, match=f"^{path} cannot be read as audio features"):
            whisper.load_extractor(tmp_path)


# Training


def test_training_batches(english, tmp_path):
    sounds = waveforms((7001, 16000, 11003, 9001, 5003))
    files = [tmp_path / f"{number}.wav" for number in range(len(sounds))]
    for file, sound in zip(files, sounds, strict=True):
        audio_files.write(file, sound)
    texts = ["the sea", "sea", "the", "the the", "s"]
    tokens = english.tokenizer.encode(texts)
    drawn = whisper.training_batches(files, tokens, english.extractor, 2, seed=1)
    batches, steps, examples = drawn.open(), drawn.steps, drawn.examples
    assert (steps, examples) == (2, 5)
    heard = []
    for inputs, labels in batches.take(10).as_numpy_iterator():
        assert inputs["features"].shape == (2, FRAMES, MELS)
        for features, before, after in zip(
            inputs["features"], inputs["tokens"], labels, strict=True
        ):
            text = english.tokenizer.decode(after)
            number = texts.index(text)
            np.testing.assert_allclose(
                features, expected_features(audio_files.read(files[number])), atol=1e-4
            )
            ids = tokens[number]
            padding = [PAD] * (max(map(len, tokens)) - len(ids))
            assert before.tolist() == ids[:-1] + padding and after.tolist() == ids[1:] + padding
            heard.append(text)
    assert sorted(heard) == sorted(4 * texts) != heard


# Mistakes


def refused(preset, **options):
    with pytest.raises(UserError) as caught:
        whisper.load(str(preset), Whisper, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_preset(tmp_path):
    assert refused(tmp_path / "none").startswith(f"there is no folder {tmp_path / 'none'}")
    assert refused(tmp_path) == f"{tmp_path} is no KerasHub preset: it has no config.json"
    message = refused("whisper_tiny_eng")
    assert "unknown Whisper preset 'whisper_tiny_eng'" in message
    assert "did you mean whisper_tiny_en?" in message and "whisper_base_multi" in message


@pytest.mark.parametrize(
    ("file", "left"),
    [
        ("config.json", None),
        ("config.json", -9),
        ("model.weights.h5", None),
        ("model.weights.h5", -9),
        ("tokenizer.json", None),
        ("assets/tokenizer/vocabulary.json", -9),
        ("assets/tokenizer/merges.txt", -3),
    ],
)
def test_a_preset_that_is_damaged(file, left, presets, tmp_path):
    folder = shutil.copytree(presets["english"], tmp_path / "preset")
    if left is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes((folder / file).read_bytes()[:left])
    message = refused(folder)
    if (file, left) == ("config.json", None):
        assert message == f"{folder} is no KerasHub preset: it has no config.json"
    else:
        assert message.startswith(f"cannot open the Whisper preset {folder}: ")


def test_a_preset_of_another_network(tmp_path):
    import keras_hub

    keras_hub.models.BertBackbone(
        vocabulary_size=7, num_layers=1, num_heads=1, hidden_dim=2, intermediate_dim=3
    ).save_to_preset(str(tmp_path / "bert"))
    message = refused(tmp_path / "bert")
    assert message.startswith(f"cannot open the Whisper preset {tmp_path / 'bert'}: ")
    assert "BertBackbone" in message


def test_a_name_that_cannot_be_downloaded(monkeypatch):
    import keras_hub

    def from_preset(name, **options):
        raise OSError(f"no network for {name}\nand more")

    monkeypatch.setattr(keras_hub.models.WhisperBackbone, "from_preset", from_preset)
    for name in ("whisper_tiny_en", "hf://someone/whisper"):
        assert refused(name) == f"cannot open the Whisper preset {name}: no network for {name}"


def test_languages(presets):
    message = refused(presets["english"], language="de")
    assert message == f"the Whisper preset {presets['english']} knows English alone, not 'de'"
    message = refused(presets["german"], language="nl")
    assert "unknown language 'nl'" in message and "en, de" in message
    assert json.loads((presets["german"] / "tokenizer.json").read_text())["config"][
        "language_tokens"
    ] == (LANGUAGES)
