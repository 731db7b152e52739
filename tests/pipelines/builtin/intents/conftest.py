import pytest

from pipelines.builtin import intents
from tests.pipelines.builtin.intents.lines import read


@pytest.fixture(scope="package")
def sets(tmp_path_factory):
    found = {}
    for task, write in intents.WRITERS.items():
        folder = tmp_path_factory.mktemp(task)
        write(folder)
        found[task] = read(folder)
    return found
