import pytest

HELPERS = (
    *("backend", "decoding", "encoding", "harness", "mechanism", "old_files", "promises"),
    *("references", "transformer_blocks"),
)
pytest.register_assert_rewrite(*(f"tests.layers.{name}" for name in HELPERS))
