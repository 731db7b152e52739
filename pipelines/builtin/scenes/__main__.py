"""One worker of `pipelines.builtin.scenes.write`."""

import sys
from pathlib import Path

from pipelines.commands import errors

from .dataset import write_part

if __name__ == "__main__":
    errors.main(write_part)(Path(sys.argv[1]), *map(int, sys.argv[2:]))
