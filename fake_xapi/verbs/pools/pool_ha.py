"""High availability of a pool: switching it on and off, its heartbeat on shared storage, and queries about its plans."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.upgrade import is_upgrading
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import later
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.pools import ha_admission, ha_plan
from fake_xapi.verbs.vms import placement

STATEFILE_BYTES = 4 << 20
REDO_LOG_BYTES = 256 << 20
PREVENTED = "/var/lib/xcp/ha_restarts_prevented_until"
DISARMED = "/var/lib/xcp/local.db/ha_disarmed"


async def enable_ha(call: Call, heartbeat_srs: list[Id], configuration: dict[str, str]) -> None:
    """Enable high availability, with a statefile on each SR given, or else on the first that is suitable.

    LICENCE_RESTRICTION ["HA"], HA_IS_ENABLED [], NOT_SUPPORTED_DURING_UPGRADE [], HOST_OFFLINE [host], REQUIRED_PIF_IS_UNPLUGGED [pif],
    HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED [sr], CANNOT_CREATE_STATE_FILE [].
    """
    _assert_may_be_on(call)
    srs = heartbeat_srs or _srs_for_statefiles(call.world)[:1]
    if not srs:
        raise Failure("CANNOT_CREATE_STATE_FILE")
    for sr in srs:
        _assert_is_everywhere(call.world, sr)
    async with call.operating((POOL, "ha_enable")):
        await call.takes("pool.enable_ha")
        _switch_on(call, srs, configuration)
    ha_admission.plan_anew(call)


def _assert_may_be_on(call: Call) -> None:
    world = call.world
    if any(row["license_params"].get("enable_xha") == "false" for _, row in world.rows("host")):
        raise Failure("LICENCE_RESTRICTION", "HA")
    ha_admission.assert_off(world)
    if is_upgrading(world):
        raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
    for host, row in sorted(world.rows("host")):
        if not placement.is_live(world, row) or not call.machines.is_up(host):
            raise Failure("HOST_OFFLINE", Handle(host))
        _assert_is_plugged(world, row)


def _assert_is_plugged(world: World, host: Row) -> None:
    for pif in host["PIFs"]:
        if world[pif]["management"] and not world[pif]["currently_attached"]:
            raise Failure("REQUIRED_PIF_IS_UNPLUGGED", Handle(pif))


def _srs_for_statefiles(world: World) -> list[Id]:
    return [sr for sr, row in sorted(world.rows("SR")) if row["shared"] and row["content_type"] != "iso" and _is_everywhere(world, sr)]


def _is_everywhere(world: World, sr: Id) -> bool:
    return all(placement.is_connected(world, sr, host) for host in world.ids("host"))


def _assert_is_everywhere(world: World, sr: Id) -> None:
    if not world[sr]["shared"] or not _is_everywhere(world, sr):
        raise Failure("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", Handle(sr))


def _switch_on(call: Call, srs: list[Id], configuration: dict[str, str]) -> None:
    world = call.world
    with world.edit() as edit:
        files = [_disk(call, edit, sr, "ha_statefile", "Statefile for HA", STATEFILE_BYTES) for sr in srs]
        _disk(call, edit, srs[0], "redo_log", "Metadata for HA", REDO_LOG_BYTES)
        refs = tuple(world.ref(vdi) for vdi in files)
        edit.set(POOL, ha_enabled=True, ha_configuration=configuration, ha_statefiles=refs)
        peers = tuple(world.ref(host) for host in sorted(world.ids("host")))
        for host in world.ids("host"):
            edit.set(host, ha_statefiles=refs, ha_network_peers=peers)


def _disk(call: Call, edit: Edit, sr: Id, kind: str, label: str, size: int) -> Id:
    text = "Used for storing HA metadata" if kind == "redo_log" else "Used for storage heartbeating"
    return storage.create_vdi(call, edit, sr, size, type=kind, name_label=label, name_description=text, sharable=True)


async def disable_ha(call: Call) -> None:
    """Disable high availability. HA_NOT_ENABLED [] when it is not enabled."""
    if not ha_admission.is_on(call.world):
        raise Failure("HA_NOT_ENABLED")
    async with call.operating((POOL, "ha_disable")):
        await call.takes("pool.enable_ha")
        _switch_off(call)


def _switch_off(call: Call) -> None:
    world = call.world
    with world.edit() as edit:
        edit.set(POOL, ha_enabled=False, ha_statefiles=(), ha_configuration={}, ha_plan_exists_for=0, ha_overcommitted=False)
        for host in world.ids("host"):
            edit.set(host, ha_statefiles=(), ha_network_peers=())
            dom0_files.remove(world, edit, DISARMED, host)
        for vdi, row in list(world.rows("VDI")):
            if row["type"] in ("ha_statefile", "redo_log") and row["name_label"].endswith(" for HA"):
                storage.drop_vdi(call, edit, vdi)


def emergency_ha_disable(call: Call, soft: bool = False) -> None:
    """Withdraw the host that was called, whatever the pool says. HA_NOT_ENABLED [] when it does not take part."""
    if not ha_admission.is_on(call.world) or dom0_files.find(call.world, DISARMED, call.host):
        raise Failure("HA_NOT_ENABLED")
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, DISARMED, "soft" if soft else "true", call.host)


def is_armed(world: World, host: Id) -> bool:
    """Whether a host that falls silent is fenced, and its VMs are restarted."""
    return ha_admission.is_on(world) and not dom0_files.find(world, DISARMED, host)


def prevent_restarts_for(call: Call, seconds: int) -> None:
    """Suspend restarts for some seconds; 0 ends that."""
    with call.world.edit() as edit:
        dom0_files.write(call.world, edit, PREVENTED, later(call.now(), seconds))


def failover_plan_exists(call: Call, n: int) -> bool:
    """Whether that many hosts may fail."""
    return ha_plan.exists_for(call.world, n, ha_plan.protected(call.world))


def compute_max(call: Call) -> int:
    """The number of hosts that may fail."""
    return ha_plan.most_failures(call.world)


def compute_hypothetical_max(call: Call, configuration: dict[Id, str]) -> int:
    """The number of hosts that may fail if the VMs had these priorities. INVALID_VALUE ["ha_restart_priority", priority]."""
    for priority in configuration.values():
        if priority not in (ha_plan.RESTART, ha_plan.BEST_EFFORT, ""):
            raise Failure("INVALID_VALUE", "ha_restart_priority", priority)
    return ha_plan.most_failures(call.world, {vm for vm, priority in configuration.items() if priority == ha_plan.RESTART})


def compute_vm_failover_plan(call: Call, failed_hosts: list[Id], failed_vms: list[Id]) -> dict[Id, dict[str, str]]:
    """Where each VM would go if hosts failed: a host, or an error's code."""
    lost = [vm for vm in failed_vms if call.world[vm]["resident_on"] in failed_hosts]
    plan = ha_plan.restart_plan(call.world, lost, failed_hosts)
    return {vm: {"host": call.world.ref(plan[vm])} if vm in plan else {"error_code": "NO_HOSTS_AVAILABLE"} for vm in lost}


def set_host_failures_to_tolerate(call: Call, pool: Id, value: int) -> None:
    """Set how many hosts may fail. INVALID_VALUE ["ha_host_failures_to_tolerate", v] below 0.

    HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN [] for more than there is a plan for.
    """
    if value < 0:
        raise Failure("INVALID_VALUE", "ha_host_failures_to_tolerate", str(value))
    is_on, may_overcommit = ha_admission.is_on(call.world), call.world[pool]["ha_allow_overcommit"]
    if is_on and not may_overcommit and not failover_plan_exists(call, value):
        raise Failure("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN")
    with call.world.edit() as edit:
        edit.set(pool, ha_host_failures_to_tolerate=value)
    ha_admission.plan_anew(call)


def is_healthy(call: Call) -> bool:
    """Whether the XAPI that was called is well: it answers."""
    return True


VERBS: Mapping[str, Verb] = {
    "pool.enable_ha": enable_ha,
    "pool.disable_ha": disable_ha,
    "pool.ha_prevent_restarts_for": prevent_restarts_for,
    "pool.ha_failover_plan_exists": failover_plan_exists,
    "pool.ha_compute_max_host_failures_to_tolerate": compute_max,
    "pool.ha_compute_hypothetical_max_host_failures_to_tolerate": compute_hypothetical_max,
    "pool.ha_compute_vm_failover_plan": compute_vm_failover_plan,
    "pool.set_ha_host_failures_to_tolerate": set_host_failures_to_tolerate,
    "host.emergency_ha_disable": emergency_ha_disable,
    "host.ha_xapi_healthcheck": is_healthy,
}
