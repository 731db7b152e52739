"""The end of a preparation: what is known of each file, put together, and the whole described."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.commands import run_data
from pipelines.commands.disk import prepared_data
from pipelines.commands.disk.bounded import size_name
from pipelines.commands.disk.files import replacing, write_json
from pipelines.commands.left_out import Tally
from pipelines.commands.terminal import console
from pipelines.data.prepared import folder as folders
from pipelines.data.prepared.notes import Notes
from pipelines.data.prepared.plan import FILE, Plan
from pipelines.data.prepared.preparation import Preparation
from pipelines.data.prepared.rows import MEDIA
from pipelines.data.split_names import SPLITS


def finish(kind: type[Preparation], plan: Plan) -> None:
    """Describes the prepared examples, and removes what only the preparation needed.

    Raises:
        UserError: Too much was left out.
    """
    config = kind.CONFIG(**plan.config)
    splits = {split: _gather(plan, split) for split in SPLITS}
    opened = {
        split: folders.open_split(plan.folder, split, splits[split], plan.facts) for split in SPLITS
    }
    kind(config, plan.folder, plan.facts).finish(opened)
    write_json(
        plan.folder / prepared_data.FILE,
        {
            "version": prepared_data.VERSION,
            "application": config.APPLICATION,
            "dataset": config.dataset,
            "asked": plan.deciding,
            "options": {name: plan.config[name] for name in config.PREPARED.split()},
            "facts": plan.facts,
            "splits": splits,
        },
    )
    run_data.remember(plan.folder / prepared_data.FILE)
    total = size_name(sum(sum(split["bytes"]) for split in splits.values()))
    counts = ", ".join(f"{len(opened[split]):,} for {split}" for split in SPLITS)
    console.print(f"prepared examples: {counts}; {total} in {plan.folder}")
    clean(plan.folder)


def clean(folder: Path) -> None:
    """Removes what a preparation, or one that was killed, leaves beside finished files."""
    hidden = [*folder.glob(".*.*"), *(folder / MEDIA).glob("*/.*")]  # Rows, and what is not whole.
    for path in [*hidden, *folder.glob(Notes.PATTERN), folder / FILE]:
        path.unlink(missing_ok=True)


def _gather(plan: Plan, split: str) -> dict[str, Any]:
    """Describes a split, and writes its columns."""
    found = [Notes.load(plan.path(split, number)) for number in range(plan.files[split])]
    tally, kinds, offset = Tally(split), {}, 0
    for notes in found:
        for place, reason in notes.left_out:
            tally.add(reason, place)
        for name, kind in notes.kinds.items():
            kinds[name] = kinds[name].joined(kind) if name in kinds else kind
    tally.close(sum(len(notes.starts) for notes in found))
    for name, kind in kinds.items():
        parts = [notes.column(name, kind) for notes in found]
        _save(plan.folder / folders.column_file(split, name), np.concatenate(parts))
    starts = []
    for notes in found:
        starts.append(notes.starts + offset)
        offset += notes.records
    _save(plan.folder / folders.column_file(split, folders.STARTS), np.concatenate(starts))
    return {
        "rows": sum(map(len, starts)),
        "records": [notes.records for notes in found],
        "bytes": [notes.size for notes in found],
        "sha256": [notes.sha256 for notes in found],
        "arrays": {name: [kind.dtype, list(kind.shape)] for name, kind in kinds.items()},
    }


def _save(path: Path, column: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.save(temporary, column)
