"""Data sets as strangers have them: written into a folder, and read as applications do."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.captioning import data as captioning
from apps.speech import data as speech
from apps.summarization import data as summarization
from apps.translation import data as translation
from apps.understanding.tasks.registry import task_of
from apps.vision import data as vision
from pipelines.commands.left_out import Tally
from pipelines.data import sources


def understanding(task):
    """What a task reads, which it makes when it is asked to read."""
    found = []
    config = SimpleNamespace(task=task, dataset="", data_dir=None, multi_label=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "read", lambda data_set, *_: found.append(data_set) or {})
        task_of(config).read(sources.SPLITS)
    return found[0]


def sentiment():
    """What the task of labelled texts reads."""
    return understanding("sentiment")


def pairs(source=None, target=None):
    """What translation reads, of two languages if they are named."""
    return translation.data_set(SimpleNamespace(source_language=source, target_language=target))


CAPTIONING, SPEECH, SUMMARIZATION, VISION = (
    app.DATA for app in (captioning, speech, summarization, vision)
)


def write(folder, files):
    """Writes files: texts, bytes, objects as JSON, or whatever is not there twice for `None`.

    Args:
        folder: Where to.
        files: A dict of names to contents, or names of files that hold something of their own.
    """
    if not isinstance(files, dict):
        files = dict.fromkeys(files)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            content = name.encode()
        elif not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(folder, data_set):
    """Reads a data set.

    Returns:
        The rows of each split without what else their records hold, the paths relative to the
        folder, and the reasons for which something was left out.
    """
    folder = Path(folder)
    layout = sources.find_layout(folder, data_set)
    splits, reasons = {}, []
    for split, reader in layout.readers.items():
        tally = Tally(split)
        rows = data_set.finish(reader(tally))
        splits[split] = [_shown(row, data_set, folder) for row in rows]
        reasons += [reason for _, reason in tally._entries]
    return splits, reasons


def _shown(row, data_set, folder):
    """The fields of a row, a tuple; of a file its path."""
    root = folder if folder.is_dir() else folder.parent
    return tuple(
        _relative(row["path"], root) if name == data_set.wanted.file_field else row[name]
        for name in data_set.fields
    )


def _relative(path, root):
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
