import pytest

HELPERS = ("harness", "mechanism", "backend", "torch_reference", "decoding", "encoding")
pytest.register_assert_rewrite(*(f"tests.layers.{name}" for name in HELPERS))
