"""Turns of the processes that a run is split into: most tests run side by side, some must have the server to themselves.

Knows file locks. May not know what the tests do.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None
"""File locks, which not every system has."""


@contextmanager
def turn(url: str, *, about: str = "server", is_shared: bool = False) -> Iterator[None]:
    """Wait for one's turn with what ``about`` names at a server, and keep other processes away from it where the system can.

    Those who share are kept away only by those who do not.
    """
    if fcntl is None:
        yield
        return
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"contract-{about}-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield
