import errno
import gc
import os
from pathlib import Path

import numpy as np
import pytest

from pipelines.commands.errors import UserError
from pipelines.data.caches import spool
from pipelines.data.caches.spool import Spool

TEXTS = [bytes([65 + n % 26]) * (n % 7) for n in range(101)]  # Some are empty.


def write(texts):
    made = Spool()
    for start in range(0, len(texts), 11):
        some = texts[start : start + 11]
        made.append(b"".join(some), [len(text) for text in some])
    return made


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTENTION_SUITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "places", [range(101), range(13, 29), [100, 0], [7, 7, 3], range(100, -1, -3), [], [50]]
)
@pytest.mark.parametrize("block", [spool.BLOCK, 5])
def test_what_was_written_is_read_in_any_order(places, block, monkeypatch):
    monkeypatch.setattr(spool, "BLOCK", block)
    assert write(TEXTS).read(places) == [TEXTS[place] for place in places]


def test_sizes():
    made = write(TEXTS)
    assert len(made) == 101 and made.sizes().tolist() == list(map(len, TEXTS))
    assert len(write([])) == 0 and write([]).sizes().tolist() == []


def test_arrays_are_bytes():
    made = Spool()
    made.append(np.arange(5, dtype="int32"), [8, 12])
    assert np.frombuffer(made.read([1])[0], "int32").tolist() == [2, 3, 4]


def test_files_have_no_name_and_are_closed_with_it(folder):
    def opened():
        paths = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
        return [path for path in paths if path.startswith(str(folder))]

    made = write(TEXTS)
    assert made.folder == folder and list(folder.iterdir()) == []
    assert len(opened()) == 2
    del made
    gc.collect()
    assert opened() == []


def test_another_folder_takes_the_place_of_one_that_cannot_be_written_to(folder, monkeypatch):
    folder.write_text("a file")
    assert write(TEXTS).folder == Path("/var/tmp")
    monkeypatch.setattr(spool, "_folders", lambda: [folder])
    with pytest.raises(UserError, match="no folder for temporary files can be written to: set AT"):
        Spool()


def test_a_full_disk_is_told_in_one_line(folder):
    class Full:
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = Spool()
    made._data = Full()
    with pytest.raises(UserError, match=rf"^no space left on the disk of {folder}: set ATTENTION"):
        made.append(b"ab", [2])
