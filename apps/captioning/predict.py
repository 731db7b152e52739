"""Captions pictures with a finished run: `python -m apps.captioning.predict --input PATH`."""

from pathlib import Path

from apps.captioning.config import Config, Prediction
from pipelines.commands import devices, errors, flags, runs, terminal


@errors.main
def main(argv=None):
    """Reads the flags, captions the pictures, and draws what each word looked at."""
    arguments = flags.parse(Prediction, argv, prog="python -m apps.captioning.predict")
    if not arguments.input:
        raise errors.UserError("--input is missing: a picture, or a folder of pictures")
    from pipelines.images import image_files

    folder = Path(arguments.run)
    config = flags.override(runs.load(folder, Config), arguments)
    files = image_files.find(arguments.input)
    output = Path(arguments.output or folder / "predictions")
    devices.select_device(arguments.device, config.op_threads)
    with devices.quiet_start():
        import tensorflow  # noqa: F401

        from apps.captioning.evaluate import load
    if arguments.device == "gpu":
        devices.require_gpu()
    captioner, tokenizer = load(folder)
    predict(folder, config, captioner, tokenizer, files, output)


def predict(folder, config, captioner, tokenizer, files, output):
    """Prints a caption for each picture, and writes its map as a PNG and all maps as one page.

    A single picture that cannot be read is an error; of a folder it is skipped, with a line.
    """
    import numpy as np

    from apps.captioning.evaluate import make_description, make_generator
    from pipelines.images import backbones, image_files
    from pipelines.maps import gallery
    from pipelines.maps.image_maps import ImageMap

    frozen = config.backbone is not None and not config.fine_tune
    network = backbones.load(folder / "backbone.keras") if frozen else captioner.encoder
    generator = make_generator(captioner, config)
    names, maps = [], []
    for start in range(0, len(files), config.decode_batch_size):
        readable = []
        for file in files[start : start + config.decode_batch_size]:
            try:
                readable.append((file, image_files.load(file, config.image_size)))
            except errors.UserError as error:
                if len(files) == 1:
                    raise
                terminal.console.print(f"skipped: {error}")
        if not readable:
            continue
        runs.make_folder(output)
        inputs = np.stack([pixels for _, pixels in readable]).astype("float32")
        if frozen:
            inputs = backbones.compute_features(network.model, inputs).astype("float32")
            inputs = inputs.reshape(len(inputs), -1, inputs.shape[-1])
        decoded = generator.predict_on_batch(inputs)
        for (file, _), tokens, weights in zip(
            readable, decoded["tokens"], decoded["weights"], strict=True
        ):
            described = make_description(tokenizer, tokens, weights, network.grid)
            terminal.console.print(f"{file}: {described.caption}")
            if described.words:
                picture = image_files.load(file, 256)
                names.append(file.name)
                maps.append(ImageMap(described.map, picture, described.caption))
    if not maps:
        raise errors.UserError("no caption: none of the pictures could be read and described")
    page = gallery.write(output, maps, names, pictures=len(maps))
    shown = output / f"{files[0].name}.png" if len(files) == 1 else page
    terminal.console.print(f"what the words looked at: {shown}")


if __name__ == "__main__":
    main()
