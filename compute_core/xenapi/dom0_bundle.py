"""The plugin for dom0 as one executable file: a zip archive that Python runs, the same bytes from the same sources.

One file can be replaced in one step, and has one checksum to be compared.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from compute_core import dom0

FILE = "inova"
"""Its name in dom0's folder of plugins, and so the plugin's."""
SHEBANG = b"#!/usr/bin/python3\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = '"""Starts the plugin."""\n\nfrom compute_core.dom0.__main__ import main\n\nmain()\n'
_PACKAGE = '"""The part of the compute core that runs in dom0."""\n'


def built() -> bytes:
    """The file's bytes."""
    out = io.BytesIO(SHEBANG)
    out.seek(0, io.SEEK_END)
    folder = Path(dom0.__file__).parent
    files = {f"compute_core/dom0/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"__main__.py": _MAIN.encode(), "compute_core/__init__.py": _PACKAGE.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return out.getvalue()


def digest(content: bytes) -> str:
    """What tells one build from another, as the plugin itself says it."""
    return hashlib.sha256(content).hexdigest()


def write(folder: Path) -> Path:
    """Lay the executable into a folder, which is made; a simulator takes it with ``inova sim serve --plugins FOLDER``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_bytes(built())
    path.chmod(0o755)
    return path
