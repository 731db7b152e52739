"""Pretrained encoders of text."""

from pathlib import Path

from pipelines.commands.errors import UserError, first_line


def open_backbone(name, max_length):
    """Opens a pretrained encoder of KerasHub with its weights.

    Args:
        name: A preset: a folder, or a name such as "bert_tiny_en_uncased", which is downloaded
            once.
        max_length: Most tokens that it is to read.

    Returns:
        Its `keras_hub.models.Backbone`, of `token_ids`, `padding_mask` and maybe `segment_ids`.

    Raises:
        UserError: There is no such preset, or it cannot read texts of that length.
    """
    import keras_hub

    folder = Path(name).expanduser()
    try:
        backbone = keras_hub.models.Backbone.from_preset(str(folder) if folder.is_dir() else name)
    except Exception as error:  # KerasHub and the hubs raise what they like.
        reason = first_line(error)
        raise UserError(f"cannot open the preset {name}: {reason}") from error
    wanted = {"token_ids", "padding_mask"}
    if not isinstance(backbone.input, dict) or not wanted <= set(backbone.input):
        raise UserError(f"the preset {name} reads no text as BERT does: {type(backbone).__name__}")
    most = getattr(backbone, "max_sequence_length", None)
    if most is not None and max_length > most:
        raise UserError(f"the preset {name} reads {most} tokens at most: take --max-length {most}")
    return backbone
