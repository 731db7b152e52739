"""One worker of `pipelines.builtin.scenes.write`."""

import sys
from pathlib import Path

from .dataset import write_part

if __name__ == "__main__":
    write_part(Path(sys.argv[1]), *map(int, sys.argv[2:]))
