"""What may import what, read from the source of every module."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("layers", "pipelines", "apps", "benchmarks", "tests")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imported(path):
    """The absolute names that a module imports, as written: `apps.captioning.model`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offences(folder, forbidden):
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        if path.is_relative_to(ROOT / folder)
        for name in imported(path)
        if forbidden(name.split("."))
    ]


def test_the_sources_are_found():
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} >= {"layers", "pipelines", "tests"}
    assert imported(Path(__file__)) >= {"ast", "pathlib.Path", "pytest"}


def test_layers_import_keras_and_the_standard_library_only():
    allowed = {"keras", *sys.stdlib_module_names}
    assert offences("layers", lambda name: name[0] not in allowed) == []


def test_pipelines_import_neither_layers_nor_apps():
    assert offences("pipelines", lambda name: name[0] in ("layers", "apps")) == []


def test_an_app_imports_no_other():
    apps = [path.parent.name for path in ROOT.glob("apps/*/config.py")]
    for app in apps:
        others = {("apps", other) for other in apps if other != app}
        assert offences(f"apps/{app}", lambda name, others=others: tuple(name[:2]) in others) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_repository_knows_its_layers_by_one_name(folder):
    assert offences(folder, lambda name: name[0] == "attention_layers") == []
