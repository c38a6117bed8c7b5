"""Real clients of XenAPI, unmodified, each in a process of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """A folder with the clients that the npm registry has, and the script of their life: made once for each lock file."""
    lock = (HERE / "node" / "package-lock.json").read_bytes()
    place = ROOT / ".inova" / f"node-{hashlib.blake2b(lock, digest_size=6).hexdigest()}"
    if not place.is_dir():
        place.parent.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="node-", dir=place.parent))
        shutil.copytree(HERE / "node", made, dirs_exist_ok=True)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=made, check=True, capture_output=True)
        try:
            made.rename(place)
        except OSError:  # somebody else was quicker
            shutil.rmtree(made)
    shutil.copy(HERE / "node" / "life.mjs", place)
    return place


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a client: what it writes goes to the test's own folder."""
    return {**os.environ, "HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_LOCALHOST_WARNING": "false"}
