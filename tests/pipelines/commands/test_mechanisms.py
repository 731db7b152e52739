import subprocess
import sys
from pathlib import Path

import layers
from layers.registry import MECHANISMS as TABLE
from pipelines.commands.mechanisms import (
    MECHANISMS,
    SELF_ATTENTION_ONLY,
    SINGLE_HEAD,
    TAKING_POSITION,
)

ROOT = Path(__file__).parents[3]


def test_the_names_are_those_of_the_layers():
    sequential = ["location_sensitive", "coverage", "monotonic"]
    assert [*MECHANISMS, *sequential] == layers.mechanisms() == list(TABLE)


def test_the_lists_say_what_the_layers_can_do():
    made = {name: layers.get(name) for name in MECHANISMS}
    assert tuple(name for name in made if made[name].num_heads is None) == SINGLE_HEAD
    assert tuple(name for name in made if made[name].self_attention_only) == SELF_ATTENTION_ONLY
    assert tuple(name for name in made if hasattr(made[name], "position")) == TAKING_POSITION
    assert set(SINGLE_HEAD) & set(TAKING_POSITION) == set()
    assert {"local", "block_sparse"} <= set(SELF_ATTENTION_ONLY) < set(TABLE)


def test_the_names_are_had_without_keras():
    script = (
        "import sys; from pipelines.commands import mechanisms; print(len(mechanisms.MECHANISMS), "
        "*{'keras', 'layers', 'numpy', 'tensorflow'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [str(len(MECHANISMS))]
