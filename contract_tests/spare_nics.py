"""NICs that a test may change: those that nobody uses, one test at a time whatever processes the suite runs in."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from contract_tests.refusals import NULL

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None
"""File locks, which not every system has."""
_UNUSED: Final[tuple[tuple[str, object], ...]] = (
    ("bond_slave_of", NULL),
    ("bond_master_of", []),
    ("VLAN_slave_of", []),
    ("tunnel_transport_PIF_of", []),
    ("sriov_physical_PIF_of", []),
    ("ip_configuration_mode", "None"),
    ("disallow_unplug", False),
)


def is_spare(pif: dict[str, Any]) -> bool:
    """Whether an interface is a NIC that the server can do without."""
    is_ours = pif["physical"] and not pif["management"] and pif.get("managed", True)
    return bool(is_ours and all(pif.get(field, usual) == usual for field, usual in _UNUSED))


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Keep other processes of the suite away from a server's NICs for the time of the block, where the system can."""
    if fcntl is None:
        yield
        return
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"contract-nics-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
