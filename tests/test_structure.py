"""What may import what, read from the source of every module."""

import ast
import functools
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What stands on what: a folder of `pipelines` imports from the floors below its own.
FLOORS = (
    ("commands",),
    ("data",),
    ("text", "images"),
    ("audio", "builtin", "training", "decoding", "metrics"),
    ("maps",),
)
MOST_FILES = 16
MOST_LINES = 400
FOLDERS = ("layers", "pipelines", "apps", "benchmarks", "tests")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def tree(path):
    """The syntax of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path):
    """The absolute names that a module imports, as written: `apps.captioning.model`."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(path):
    """The name of a module: `apps.captioning.model`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def dependencies():
    """For each module the modules it imports, inside functions too; packages stand for no one."""
    modules = {module_of(path): path for path in SOURCES if path.name != "__init__.py"}
    found = {}
    for name, path in modules.items():
        names = set(imported(path))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = ".".join(name.split(".")[: -node.level])
                target = f"{base}.{node.module}" if node.module else base
                names |= {target} | {f"{target}.{alias.name}" for alias in node.names}
        found[name] = (names & modules.keys()) - {name}
    return found


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


def test_folders_of_pipelines_import_downwards_only():
    floor_of = {folder: floor for floor, row in enumerate(FLOORS) for folder in row}
    folders = {path.parent.name for path in (ROOT / "pipelines").glob("*/*.py")}
    assert floor_of.keys() == folders
    upwards = [
        f"{name} imports {other}"
        for name, others in dependencies().items()
        for other in others
        if name.startswith("pipelines.") and other.startswith("pipelines.")
        for here, there in [(name.split(".")[1], other.split(".")[1])]
        if here != there and floor_of[there] >= floor_of[here]
    ]
    assert upwards == []


def test_no_modules_import_each_other_in_a_circle():
    left = dependencies()
    # What imports nothing that is left, or is imported by nothing, is in no circle.
    while free := [
        name
        for name, others in left.items()
        if not others & left.keys() or not any(name in each for each in left.values())
    ]:
        left = {name: others for name, others in left.items() if name not in free}
    assert {name: others & left.keys() for name, others in left.items()} == {}


def test_a_folder_is_seen_at_a_glance_and_a_file_read_at_one_sitting():
    counts = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for path in SOURCES
        if path.name != "__init__.py" and path.relative_to(ROOT).parts[0] in FOLDERS[:3]
    )
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in SOURCES
    }
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_an_app_imports_no_other():
    apps = [path.parent.name for path in ROOT.glob("apps/*/config.py")]
    for app in apps:
        others = {("apps", other) for other in apps if other != app}
        assert offences(f"apps/{app}", lambda name, others=others: tuple(name[:2]) in others) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_repository_knows_its_layers_by_one_name(folder):
    assert offences(folder, lambda name: name[0] == "attention_layers") == []
