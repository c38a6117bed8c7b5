"""What a pool keeps on its own storage: a log of database changes, cached copies of shared disks, and disks for recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.editions import require
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks.vdi import create as create_vdi
from fake_xapi.verbs.hosts import host

_LOG_BYTES = 256 << 20
_LOG = {
    "name_label": "Metadata redo-log",
    "name_description": "Used when HA is disabled, while extra security is still desired",
    "virtual_size": _LOG_BYTES,
    "type": "redo_log",
    "sharable": True,
    "read_only": False,
    "other_config": {},
    "sm_config": {"type": "raw"},
}
_CACHING_TYPES = frozenset({"ext", "file"})


async def enable_redo_log(call: Call, sr: Id) -> None:
    """Log every change of the database on a disk of an SR, an existing one if there is any. CANNOT_ENABLE_REDO_LOG [reason]."""
    world = call.world
    known = (vdi for vdi in world[sr]["VDIs"] if world[vdi]["type"] == "redo_log" and world[vdi]["virtual_size"] >= _LOG_BYTES)
    vdi = next(known, NULL)
    try:
        vdi = vdi or await create_vdi(call, {**_LOG, "SR": sr})
    except Failure as failure:
        told = "failed to create a VDI for the redo log on the SR with the given UUID."
        raise Failure("CANNOT_ENABLE_REDO_LOG", told) from failure
    with world.edit() as edit:
        edit.set(POOL, redo_log_enabled=True, redo_log_vdi=vdi)


def disable_redo_log(call: Call) -> None:
    """Stop logging; the disk is kept for later."""
    with call.world.edit() as edit:
        edit.set(POOL, redo_log_enabled=False, redo_log_vdi=NULL)


def enable_caching(call: Call, pool: Id) -> None:
    """Let every host cache shared disks on local storage; the error lists the hosts without any that is suitable.

    LICENCE_RESTRICTION ["IntelliCache"], HOSTS_FAILED_TO_ENABLE_CACHING [hosts].
    """
    require(call.world, "IntelliCache")
    hosts = sorted(call.world.ids("host"))
    places = {one: _local_storage(call.world, one) for one in hosts}
    for one, sr in places.items():
        if sr:
            host.enable_local_storage_caching(call, one, sr)
    _raise_for("HOSTS_FAILED_TO_ENABLE_CACHING", [one for one, sr in places.items() if not sr])


def _raise_for(code: str, failed: list[Id]) -> None:
    if failed:
        raise Failure(code, *map(Handle, failed))


def _local_storage(world: World, one: Id) -> Id:
    """A plugged local SR whose driver supports caching; NULL when a host has none."""
    plugged = (world[pbd]["SR"] for pbd in world[one]["PBDs"] if world[pbd]["currently_attached"])
    return next((int(sr) for sr in plugged if world[sr]["type"] in _CACHING_TYPES and not world[sr]["shared"]), NULL)


def disable_caching(call: Call, pool: Id) -> None:
    """Stop caching shared disks on all hosts."""
    for one in sorted(call.world.ids("host")):
        host.disable_local_storage_caching(call, one)


_RECOVERABLE = frozenset({"lvmoiscsi", "lvmohba", "lvmofcoe", "nfs", "smb", "gfs2"})


def recover(call: Call, kind: str, config: Mapping[str, str], uuids: Sequence[str]) -> Id:
    """Introduce the SRs of a lost pool found at a location, plugged everywhere, until the task is destroyed.

    The caller says what is there.

    LICENCE_RESTRICTION ["DR"], SR_UNKNOWN_DRIVER [type], SR_UUID_EXISTS [uuid] for one that is here.
    """
    require(call.world, "DR")
    if kind not in _RECOVERABLE:
        raise Failure("SR_UNKNOWN_DRIVER", kind)
    for uuid in uuids:
        if call.world.by_uuid("SR", uuid):
            raise Failure("SR_UUID_EXISTS", uuid)
    with call.world.edit() as edit:
        task = edit.create("DR_task")
        for uuid in dict.fromkeys(uuids):
            sr = edit.create(
                "SR", uuid=uuid, type=kind, content_type="user", shared=True, introduced_by=task, name_label="Recovered storage"
            )
            for one in call.world.ids("host"):
                edit.create("PBD", SR=sr, host=one, device_config=dict(config), currently_attached=True)
    return task


def end_recovery(call: Call, task: Id) -> None:
    """Forget the SRs that a recovery has introduced, along with their disks."""
    world = call.world
    with world.edit() as edit:
        for sr in world[task]["introduced_SRs"]:
            for one in (*world[sr]["PBDs"], *world[sr]["VDIs"], sr):
                edit.destroy(one)
        edit.destroy(task)


VERBS: Mapping[str, Verb] = {
    "pool.enable_redo_log": enable_redo_log,
    "pool.disable_redo_log": disable_redo_log,
    "pool.enable_local_storage_caching": enable_caching,
    "pool.disable_local_storage_caching": disable_caching,
    "DR_task.create": recover,
    "DR_task.destroy": end_recovery,
}
