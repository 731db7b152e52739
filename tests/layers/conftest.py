import pytest

HELPERS = (
    *("backend", "decoding", "encoding", "harness", "mechanism", "promises", "recurrent_loop"),
    *("torch_reference", "transformer_blocks"),
)
pytest.register_assert_rewrite(*(f"tests.layers.{name}" for name in HELPERS))
