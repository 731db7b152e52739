"""Saved models as they were when their classes stood elsewhere."""

import re
import zipfile


def rename_modules(path, module, old_module):
    """Rewrites a `.keras` file as if the classes of `module`, a pattern, stood in `old_module`."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = files["config.json"].decode()
    config, found = re.subn(f'"module": "{module}"', f'"module": "{old_module}"', config)
    assert found, f"{path} has nothing of {module}"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, "config.json": config.encode()}.items():
            archive.writestr(name, content)
    return config
