"""The word that attention has collapsed, after the epoch in which it has."""

import keras

from pipelines.commands.terminal import console

# Trained decoders have entropies of 0.2 to 0.7, and a tenth of their attention on the end.
LEAST_ENTROPY = 0.1
MOST_ON_END = 0.8
MOST_ON_PADDING = 0.1
BATCHES = ("tokens_per_batch", "seconds_per_batch", "batch_size")


class AttentionWatch(keras.callbacks.Callback):
    """Says after an epoch that the decoder sees one place of every source, and what to try.

    Stands after `BestEpoch`, whose metrics of the validation split it reads.

    Args:
        config: The configuration of the run, of which it tells the flags that matter.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config

    def on_epoch_end(self, epoch, logs=None):
        if getattr(self.config, "whisper", None) is not None:
            return  # It hears 30 seconds of all audio, and may rest on the silence at their end.
        if found := complaint(logs):
            console.print(f"attention has collapsed: {found}; try {self._advice()}")

    def _advice(self):
        rate = f"a smaller --learning-rate ({self.config.learning_rate / 3:.1g})"
        flags = [name for name in BATCHES if hasattr(self.config, name)]
        others = [f"smaller batches (--{flag.replace('_', '-')})" for flag in flags[:1]]
        if getattr(self.config, "mechanism", None) == "additive":
            others.append("--attention luong_general")
        return ", or ".join([rate, *others])


def complaint(logs):
    """What is wrong with the attention of an epoch, by its metrics; `None` if nothing is.

    Args:
        logs: The metrics of `pipelines.metrics.attention_health`, each called `val_NAME`.
    """
    end, padding, entropy = (
        logs.get(f"val_attention_{name}") for name in ("on_end", "on_padding", "entropy")
    )
    if padding is not None and padding > MOST_ON_PADDING:
        return f"{padding:.0%} of it is on padding"
    if end is not None and end > MOST_ON_END:
        return f"{end:.0%} of it is on the end of the source"
    if entropy is not None and 0 < entropy < LEAST_ENTROPY:  # It is 0 where nothing is written.
        return f"its entropy is {entropy:.2f}, so that a decoder sees one place of the source"
    return None
