"""What may be done to objects while the hosts of a pool are of different releases: only what both understand."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.rules import POOL, Lifecycle, Rows, View
from fake_xapi.state.ids import Id

FLAG = "rolling_upgrade_in_progress"
"""Key of ``pool.other_config``."""

VM_OPERATIONS = frozenset(
    {
        *("assert_operation_valid", "changing_memory_live", "changing_shadow_memory_live", "changing_VCPUs_live", "clean_reboot"),
        *("clean_shutdown", "clone", "copy", "csvm", "destroy", "export", "get_boot_record", "hard_reboot", "hard_shutdown", "import"),
        *("make_into_template", "pause", "pool_migrate", "power_state_reset", "provision", "resume", "resume_on", "send_sysrq"),
        *("send_trigger", "start", "start_on", "suspend", "unpause", "update_allowed_operations"),
    }
)
VDI_OPERATIONS = frozenset(
    {
        *("clone", "copy", "resize", "resize_online", "snapshot", "destroy", "forget", "update", "force_unlock"),
        *("generate_config", "blocked"),
    }
)
SR_OPERATIONS = frozenset(
    {"scan", "destroy", "forget", "plug", "unplug", "update", "vdi_create", "vdi_destroy", "vdi_resize", "vdi_clone", "vdi_snapshot"}
    | {"vdi_introduce", "pbd_create", "pbd_destroy"}
)


def is_upgrading(rows: Rows) -> bool:
    """Whether the pool's hosts are of different releases."""
    pool = rows.get(POOL)
    return pool is not None and FLAG in pool["other_config"]


class DuringUpgrade:
    """A lifecycle that allows no more than some operations while an upgrade is under way."""

    def __init__(self, lifecycle: Lifecycle[Any], safe: Collection[str]) -> None:
        self._lifecycle = lifecycle
        self._safe = safe

    def check(self, view: View, identity: Id, operation: str, *, strict: bool = True) -> Failure | None:
        """Why the operation is refused; the upgrade is the last thing that is looked at."""
        failure = self._lifecycle.check(view, identity, operation, strict=strict)
        if failure is None and operation not in self._safe and is_upgrading(view):
            return Failure("NOT_SUPPORTED_DURING_UPGRADE")
        return failure

    def allowed(self, rows: Rows, identity: Id) -> tuple[str, ...]:
        """What `allowed_operations` says."""
        shown = self._lifecycle.allowed(rows, identity)
        return tuple(op for op in shown if op in self._safe) if is_upgrading(rows) else shown


class FirstDuringUpgrade(DuringUpgrade):
    """One that looks at the upgrade before anything else, as VDIs and SRs do."""

    def check(self, view: View, identity: Id, operation: str, *, strict: bool = True) -> Failure | None:
        """Why the operation is refused."""
        if operation not in self._safe and is_upgrading(view):
            return Failure("NOT_SUPPORTED_DURING_UPGRADE")
        return self._lifecycle.check(view, identity, operation, strict=strict)
