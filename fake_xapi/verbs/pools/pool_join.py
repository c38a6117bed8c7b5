"""A host joins a pool: it is checked, everything it has is copied to the master, and after a while it answers as a member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts.machines import Neighbour
from fake_xapi.verbs.migrations.transplant import Transplant
from fake_xapi.verbs.pools import pool_checks
from fake_xapi.verbs.pools.pool_settings import POOL_SECRET

_OF_A_HOST = (
    *("host", "host_metrics", "host_cpu", "PIF", "PIF_metrics", "VLAN", "PBD", "SR", "VDI", "VM", "VM_metrics", "VM_guest_metrics"),
    *("console", "VBD", "VBD_metrics", "VIF", "VIF_metrics", "VTPM", "VGPU", "VUSB", "PCI", "PGPU", "GPU_group", "PUSB", "USB_group"),
    *("crashdump", "host_crashdump", "host_patch", "Certificate", "secret", "blob", "dom0_file"),
)
"""What a host brings along. Its internal networks and what is the same on all hosts stay behind."""


async def join(call: Call, address: str, user: str, password: str) -> None:
    """Join the pool whose master is at an address. Failures as in ``pool_checks``, and:

    JOINING_HOST_CONNECTION_FAILED when nobody answers there, JOINING_HOST_SERVICE_FAILED for an address in another process,
    HOST_IS_SLAVE [master's address], SESSION_AUTHENTICATION_FAILED [user, message].
    """
    await _join(call, address, user, password, is_forced=False)


async def join_force(call: Call, address: str, user: str, password: str) -> None:
    """Join even though hardware or software differ."""
    await _join(call, address, user, password, is_forced=True)


async def _join(call: Call, address: str, user: str, password: str, *, is_forced: bool) -> None:
    pool = _master_at(call, address, user, password)
    joining = pool_checks.Joining(call.world, call.host, pool.world, pool.host)
    failure = pool_checks.refusal(joining, is_forced=is_forced)
    if failure is not None:
        raise failure
    await call.takes("pool.join")
    host = _make_known(call, pool)
    call.spawn("restart as a member", _restart(call, pool, host))


def _master_at(call: Call, address: str, user: str, password: str) -> Neighbour:
    pool = call.machines.neighbour(address)
    if pool is None:
        is_down = call.machines.is_known(address)
        raise Failure("JOINING_HOST_CONNECTION_FAILED" if is_down else "JOINING_HOST_SERVICE_FAILED")
    if not pool.is_master:
        raise Failure("HOST_IS_SLAVE", pool.world[pool.world[POOL]["master"]]["address"])
    if not pool.admits(user, password):
        raise Failure("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure")
    return pool


async def _restart(call: Call, pool: Neighbour, host: Id) -> None:
    await call.takes("xapi.fuse")
    call.machines.join(pool, host)


def _make_known(call: Call, pool: Neighbour) -> Id:
    """Copy the host and everything it has to the pool's world; returns its id there."""
    source, target = call.world, pool.world
    with target.edit() as edit:
        transplant = Transplant(source, edit, dict(_same(source, target)))
        _find_networks(source, target, edit, transplant)
        for cls in _OF_A_HOST:
            transplant.copy(identity for identity in source.ids(cls) if not _stays_behind(source, identity))
        transplant.join_up()
        transplant.copy_disks(call.disks, pool.disks)
        host = transplant.known[call.host]
        _await_hello(edit, host)
        _readdress(source, target, edit, call.host, transplant)
    return host


def _same(source: World, target: World) -> Iterator[tuple[Id, Id]]:
    """The counterparts of what exists once in every pool: the tools, and the pool itself."""
    yield POOL, POOL
    tools = next((sr for sr, row in target.rows("SR") if row["is_tools_sr"]), 0)
    for sr, row in source.rows("SR"):
        if row["is_tools_sr"] and tools:
            yield sr, tools
            theirs = {target[vdi]["location"]: vdi for vdi in target[tools]["VDIs"]}
            yield from ((vdi, theirs[source[vdi]["location"]]) for vdi in row["VDIs"] if source[vdi]["location"] in theirs)


def _find_networks(source: World, target: World, edit: Edit, transplant: Transplant) -> None:
    """Match networks of NICs, and the internal one, with the pool's by their bridge; copy all others."""
    bridges = {row["bridge"]: network for network, row in target.rows("network")}
    management = next(target[pif]["network"] for pif in target[target[POOL]["master"]]["PIFs"] if target[pif]["management"])
    for network, row in sorted(source.rows("network")):
        pifs = [source[pif] for pif in row["PIFs"]]
        if any(pif["VLAN"] >= 0 for pif in pifs):
            transplant.known[network] = management
        elif row["bridge"] in bridges and (pifs or "is_host_internal_management_network" in row["other_config"]):
            transplant.known[network] = bridges[row["bridge"]]
        else:
            transplant.copy([network])
            if row["bridge"] in bridges:
                edit.set(transplant.known[network], bridge=_free_bridge(bridges))
            bridges[edit[transplant.known[network]]["bridge"]] = network


def _free_bridge(bridges: Mapping[str, Id]) -> str:
    return next(name for name in (f"xapi{number}" for number in range(len(bridges) + 1)) if name not in bridges)


def _stays_behind(source: World, identity: Id) -> bool:
    row = source[identity]
    if row.cls == "VM":
        return bool(row["is_default_template"] or row["other_config"].get("default_template") == "true")
    return row.cls == "dom0_file" and (not row["host"] or row["path"] == POOL_SECRET)


def _await_hello(edit: Edit, host: Id) -> None:
    """Expect nothing of the host until it has restarted and said hello."""
    edit.set(host, enabled=False, current_operations={})
    edit.set(edit[host]["metrics"], live=False)
    for pbd in edit[host]["PBDs"]:
        edit.set(pbd, currently_attached=False)


def _readdress(source: World, target: World, edit: Edit, me: Id, transplant: Transplant) -> None:
    """Update the console locations of the control domain, which contain its ref."""
    for console in source[source[me]["control_domain"]]["consoles"] if source[me]["control_domain"] else ():
        copy = transplant.known[console]
        edit.set(copy, location=source[console]["location"].replace(source.ref(console), target.ref(copy)))


VERBS: Mapping[str, Verb] = {"pool.join": join, "pool.join_force": join_force}
