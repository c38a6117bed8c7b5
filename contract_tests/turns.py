"""Turns of the processes among which a run is split: most tests run side by side, some need the server to themselves.

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
    """Wait for a turn with what ``about`` names on a server, and keep other processes away from it where the system can.

    Turns that are shared exclude only those that are not.
    """
    if fcntl is None:
        yield
        return
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"contract-{about}-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield
