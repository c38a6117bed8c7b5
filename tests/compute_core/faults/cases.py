"""Every operation that is put through faults.

To add one: write what the user does as a coroutine over the Scene (``begin``), and what must be there first (``prepare``; it is left
alone until all is quiet). Put a Case into the table of its area, which has a module of its own, and that table into CASES. Whatever
else the world needs, make it in ``prepare`` through ``scene.cloud`` (the core's services), ``scene.fleet`` (the hosts). That is all: the
requests are recorded from a run that nothing disturbs, every fault is tried at each of them, and their count is held to ``at_most``. Try
it by

    .venv/bin/pytest tests/compute_core/faults -k NAME
    .venv/bin/python -m tests.compute_core.faults.one NAME              # which requests there are
    .venv/bin/python -m tests.compute_core.faults.one NAME killed 7     # one run, with the core's log; 7+: in the middle of a transfer
    .venv/bin/python -m tests.compute_core.faults.calls                 # write docs/generated/calls.md anew
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.compute_core.faults.aside_cases import PUT_ASIDE
from tests.compute_core.faults.backup_cases import BACKUPS
from tests.compute_core.faults.care_cases import CARE
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.guest_cases import GUESTS
from tests.compute_core.faults.host_cases import HOSTS
from tests.compute_core.faults.interface_cases import INTERFACES
from tests.compute_core.faults.move_cases import MOVES
from tests.compute_core.faults.server_cases import POWER, SERVERS
from tests.compute_core.faults.spawn_cases import SPAWNS
from tests.compute_core.faults.volume_cases import VOLUMES

CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        *SERVERS,
        *SPAWNS,
        *BACKUPS,
        *POWER,
        *MOVES,
        *PUT_ASIDE,
        *VOLUMES,
        *CARE,
        *HOSTS,
        *INTERFACES,
        *GUESTS,
    )
}
