import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from pipelines.commands.errors import UserError
from pipelines.images import backbones, image_files

SIZE = 32


@pytest.fixture(scope="module")
def keras_home(tmp_path_factory):
    """A Keras folder with weights for MobileNet, of which the random ones stand for the trained."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("keras") / "models"
    network = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    )
    folder.mkdir()
    network.save_weights(folder / "mobilenet.weights.h5")
    (folder / "mobilenet.weights.h5").rename(folder / "mobilenet_1_0_224_tf_no_top.h5")
    return folder.parent


@pytest.fixture
def mobilenet(keras_home, monkeypatch):
    """MobileNet's ImageNet weights are those of `keras_home`; nothing is downloaded."""
    from keras.src.applications import mobilenet

    def get_file(name, origin, cache_subdir):
        source = keras_home / cache_subdir / name
        if not source.exists():
            raise Exception(f"URL fetch failure on {origin}: None -- no network")
        target = keras_home / "copy.weights.h5"
        shutil.copy(source, target)
        return target

    monkeypatch.setattr(mobilenet.file_utils, "get_file", get_file)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A small KerasHub preset with a scaling of its own."""
    import keras_hub

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    network = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    network.save_to_preset(str(folder))
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(SIZE, SIZE), scale=1 / 128, offset=[-1.0, -0.5, 0.0]
    )
    converter.save_to_preset(str(folder))
    return folder


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture
def files(tmp_path, pixels):
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path, picture in zip(paths, pixels, strict=False):
        Image.fromarray(picture.astype(np.uint8)).save(path)
    paths[3].write_text("no picture")
    return [paths[0], paths[3], paths[1], paths[2]]


class TestApplications:
    def test_pixels_are_preprocessed_as_the_network_wants(self, mobilenet, pixels):
        backbone = backbones.open_backbone("mobilenet", SIZE)
        assert (backbone.grid, backbone.channels) == ((1, 1), 1024)
        network = backbone.model.get_layer(index=-1)
        expected = network(pixels / 127.5 - 1, training=False)
        found = backbone.model.predict_on_batch(pixels)
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(expected), atol=1e-4)

    def test_frozen_unless_trainable(self, mobilenet):
        assert backbones.open_backbone("MobileNet", SIZE).model.trainable_variables == []
        trainable = backbones.open_backbone("MobileNet", SIZE, trainable=True)
        assert len(trainable.model.trainable_variables) == 81

    @pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", "ResNet50V2", "EfficientNetB0"])
    def test_every_preprocessing_is_saved_with_the_model(self, name, tmp_path, pixels):
        constructor = getattr(keras.applications, name)
        module = getattr(keras.applications, constructor.__module__.rpartition(".")[2])
        inputs = keras.Input((SIZE, SIZE, 3))
        model = keras.Model(inputs, module.preprocess_input(inputs))
        model.save(tmp_path / "model.keras")
        found = keras.models.load_model(tmp_path / "model.keras")(pixels)
        expected = module.preprocess_input(pixels.copy())
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, atol=1e-4)

    def test_unknown_names(self):
        with pytest.raises(UserError, match=r"unknown backbone 'MobilNetV2'.*MobileNetV2"):
            backbones.open_backbone("MobilNetV2", SIZE)

    def test_pictures_too_small(self, mobilenet):
        with pytest.raises(
            UserError, match=r"cannot open the backbone MobileNet: .*at least 32x32"
        ):
            backbones.open_backbone("MobileNet", 8)

    def test_weights_that_cannot_be_downloaded(self, mobilenet, keras_home):
        weights = next((keras_home / "models").iterdir())
        weights.rename(keras_home / "away")
        try:
            with pytest.raises(UserError, match=r"weights of MobileNet could not be downloaded"):
                backbones.open_backbone("MobileNet", SIZE)
        finally:
            (keras_home / "away").rename(weights)


class TestPresets:
    def test_pixels_are_scaled_as_the_preset_says(self, preset, pixels):
        import keras_hub

        backbone = backbones.open_backbone(str(preset), SIZE)
        assert (backbone.grid, backbone.channels) == ((8, 8), 64)
        network = keras_hub.models.Backbone.from_preset(str(preset))
        expected = network(pixels / 128 + np.float32([-1, -0.5, 0]), training=False)
        found = backbone.model.predict_on_batch(pixels)
        np.testing.assert_allclose(found, keras.ops.convert_to_numpy(expected), atol=1e-5)

    def test_a_vision_transformer_gives_a_grid_without_the_class_token(self, tmp_path, pixels):
        import keras_hub

        network = keras_hub.models.ViTBackbone(
            image_shape=(SIZE, SIZE, 3),
            patch_size=8,
            num_layers=1,
            num_heads=1,
            hidden_dim=4,
            mlp_dim=4,
            use_class_token=True,
        )
        network.save_to_preset(str(tmp_path))
        backbone = backbones.open_backbone(str(tmp_path), SIZE)
        assert (backbone.grid, backbone.channels) == ((4, 4), 4)
        expected = keras.ops.convert_to_numpy(network(pixels))[:, 1:].reshape(3, 4, 4, 4)
        found = backbone.model.predict_on_batch(pixels)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_what_is_no_preset(self, tmp_path, preset):
        with pytest.raises(UserError, match="there is no folder"):
            backbones.open_backbone(str(tmp_path / "missing"), SIZE)
        with pytest.raises(UserError, match=r"is no KerasHub preset: it has no config\.json"):
            backbones.open_backbone(str(tmp_path), SIZE)
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(UserError, match="cannot open the preset"):
            backbones.open_backbone(str(tmp_path), SIZE)

    def test_a_text_network(self, tmp_path):
        import keras_hub

        keras_hub.models.BertBackbone(
            vocabulary_size=5, num_layers=1, num_heads=1, hidden_dim=2, intermediate_dim=2
        ).save_to_preset(str(tmp_path))
        with pytest.raises(UserError, match="does not take images of 32 pixels"):
            backbones.open_backbone(str(tmp_path), SIZE)


class TestCachedFeatures:
    def test_features_are_those_of_the_network(self, preset, files, tmp_path):
        features, rows, grid = backbones.cached_features(files, str(preset), SIZE, tmp_path)
        assert rows.tolist() == [0, -1, 1, 2] and grid == (8, 8)
        assert features.dtype == np.float16 and features.shape == (3, 64, 64)
        picture = image_files.load(files[2], SIZE)[None].astype(np.float32)
        expected = backbones.open_backbone(str(preset), SIZE).model.predict_on_batch(picture)
        np.testing.assert_allclose(features[1].reshape(8, 8, 64), expected[0], rtol=1e-3, atol=1e-3)

    def test_the_network_is_opened_only_for_new_pictures(
        self, preset, files, tmp_path, monkeypatch
    ):
        first, _, _ = backbones.cached_features(files, str(preset), SIZE, tmp_path)
        opened = []
        monkeypatch.setattr(backbones, "open_backbone", lambda *args: opened.append(args))
        readable = [file for file in files[::-1] if "3" not in file.name]
        second, rows, grid = backbones.cached_features(readable, str(preset), SIZE, tmp_path)
        assert opened == [] and rows.tolist() == [2, 1, 0] and grid == (8, 8)
        np.testing.assert_array_equal(first, second)

    def test_size_mirroring_and_weights_have_features_of_their_own(self, preset, files, tmp_path):
        def compute(name=preset, size=SIZE, **kwargs):
            return backbones.cached_features(files[:1], str(name), size, tmp_path, **kwargs)

        plain, _, _ = compute()
        mirrored, _, _ = compute(flip=True)
        assert compute(size=64)[2] == (16, 16)
        Image.fromarray(image_files.load(files[0], SIZE)[:, ::-1]).save(tmp_path / "mirror.png")
        expected, _, _ = backbones.cached_features(
            [tmp_path / "mirror.png"], str(preset), SIZE, tmp_path / "other"
        )
        np.testing.assert_array_equal(mirrored, expected)
        assert np.abs(plain - mirrored).max() > 0.01

        other = tmp_path / "tiny"
        shutil.copytree(preset, other)
        config = json.loads((other / "image_converter.json").read_text())
        config["config"]["scale"] = 1 / 64
        (other / "image_converter.json").write_text(json.dumps(config))
        assert np.abs(compute(other)[0] - plain).max() > 0.01

    def test_large_features_are_clipped(self, preset, files, tmp_path, monkeypatch):
        pixels = keras.Input((SIZE, SIZE, 3))
        features = keras.layers.Rescaling([1e6, -1e6, 1.0])(pixels)
        backbone = backbones.Backbone("large", keras.Model(pixels, features))
        monkeypatch.setattr(backbones, "open_backbone", lambda *args: backbone)
        found, _, _ = backbones.cached_features(files[:1], str(preset), SIZE, tmp_path)
        picture = image_files.load(files[0], SIZE).reshape(-1, 3)
        position = np.argmax(picture.min(axis=1) > 0)
        assert found[0, position].tolist() == [65504, -65504, picture[position, 2]]

    def test_the_precision_of_training_does_not_matter(self, preset, files, tmp_path):
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            half, _, _ = backbones.cached_features(files, str(preset), SIZE, tmp_path / "a")
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
        finally:
            keras.config.set_dtype_policy(policy)
        full, _, _ = backbones.cached_features(files, str(preset), SIZE, tmp_path / "b")
        np.testing.assert_array_equal(half, full)

    @pytest.mark.slow
    def test_the_case_of_an_applications_name_does_not_matter(self, mobilenet, files, tmp_path):
        for name in ("mobilenet", "MobileNet"):
            backbones.cached_features(files, name, SIZE, tmp_path)
        assert [path.name for path in (tmp_path / "features").iterdir()] == ["MobileNet-32"]
