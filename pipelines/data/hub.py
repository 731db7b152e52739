"""Presets of KerasHub: where they may come from."""

PRESET_SCHEMES = ("hf:", "kaggle:", "modelscope:")
