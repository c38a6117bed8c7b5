"""Updates from repositories: what a synchronisation finds, what a host installs, and what remains to be done afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.documents import MOST_BYTES
from fake_xapi.dom0.downloads import NotFetched, fetch
from fake_xapi.dom0.updateinfo import REPOMD, BadRepository, Update, place_of, unpacked
from fake_xapi.lifecycle.editions import require
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.hosts import dom0_files, host_evacuation
from fake_xapi.verbs.updates import guidance, repositories

APPLIED = "/var/update/applied.json"
_SCHEDULE = "update sync"
_DAY = timedelta(days=1)


def missing_updates(world: World, repository: Id, host_: Id) -> list[Update]:
    """The updates of a repository that a host lacks."""
    applied = _applied(world, host_)
    return [update for update in repositories.synced_updates(world, repository) if update.id not in applied]


def _applied(world: World, host_: Id) -> frozenset[str]:
    return frozenset(json.loads(dom0_files.read(world, APPLIED, host_) or "[]"))


async def sync_updates(call: Call, pool: Id, force: bool = False, *credentials: str) -> str:
    """Fetch the updates of the repositories in use; returns the hash of the update repository.

    LICENCE_RESTRICTION ["Updates"], NO_REPOSITORIES_CONFIGURED [], NO_REPOSITORY_ENABLED [],
    MULTIPLE_UPDATE_REPOSITORIES_ENABLED [], REPOSYNC_FAILED [],
    INVALID_REPOMD_XML [], INVALID_UPDATEINFO_XML [], UPDATEINFO_HASH_MISMATCH [].
    """
    world = call.world
    require(world, "Updates")
    if not world[pool]["repositories"]:
        raise Failure("NO_REPOSITORIES_CONFIGURED")
    source = repositories.enabled_update_repository(world)
    await call.takes("pool.sync_updates")
    hash_, text = await _content(call, source)
    if source not in world[pool]["repositories"]:
        raise Failure("REPOSYNC_FAILED")
    with world.edit() as edit:
        dom0_files.write(world, edit, repositories.content_path(world, source), text)
        edit.set(source, hash=hash_)
        edit.set(pool, last_update_sync=call.now())
    _tell_hosts(world, source)
    return hash_


async def _content(call: Call, repository: Id) -> tuple[str, str]:
    """The hash and the updateinfo of a repository, fetched from its location."""
    row = call.world[repository]
    if row["origin"] == "bundle":
        text = dom0_files.read(call.world, repositories.BUNDLE)
        if text is None:
            raise Failure("REPOSYNC_FAILED")
        return dom0_files.read(call.world, repositories.BUNDLE_HASH) or "", text
    if row["origin"] == "remote_pool":
        raise Failure("UPDATE_SYNCING_REMOTE_POOL_COORDINATOR_CONNECTION_FAILED")
    return await _fetched(row["binary_url"].rstrip("/"))


async def _fetched(url: str) -> tuple[str, str]:
    try:
        place = place_of(await fetch(f"{url}/{REPOMD}", MOST_BYTES))
        return place.hash, unpacked(await fetch(f"{url}/{place.href}", MOST_BYTES), place)
    except NotFetched as error:
        raise Failure("REPOSYNC_FAILED") from error
    except BadRepository as error:
        raise Failure(error.code) from error


def _tell_hosts(world: World, repository: Id) -> None:
    """Record for every host whether it has all updates of the last synchronisation, and for the repository whether all hosts have."""
    missing = {one: bool(missing_updates(world, repository, one)) for one in world.ids("host")}
    with world.edit() as edit:
        for one, is_behind in missing.items():
            edit.set(one, latest_synced_updates_applied="no" if is_behind else "yes")
        edit.set(repository, up_to_date=not any(missing.values()))


async def apply_updates(call: Call, host_: Id, hash_: str) -> list[list[str]]:
    """Install all updates of the last synchronisation on a host; returns the warnings: none.

    UPDATEINFO_HASH_MISMATCH [], HA_IS_ENABLED [], HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY [host], HOST_EVACUATION_IS_REQUIRED [host].
    """
    world = call.world
    source = repositories.enabled_update_repository(world)
    if not hash_ or world[source]["hash"] != hash_:
        raise Failure("UPDATEINFO_HASH_MISMATCH")
    if world[POOL]["ha_enabled"]:
        raise Failure("HA_IS_ENABLED")
    if world[host_]["pending_guidances"]:
        raise Failure("HOST_PENDING_MANDATORY_GUIDANCE_NOT_EMPTY", Handle(host_))
    updates = missing_updates(world, source, host_)
    _assert_evacuated(world, host_, updates)
    await call.takes("host.apply_updates")
    _applied_now(call, host_, updates, hash_)
    _tell_hosts(world, source)
    return []


def _assert_evacuated(world: World, host_: Id, updates: Iterable[Update]) -> None:
    asked = {one for update in updates for one in update.guidance["mandatory"]}
    guests = [vm for vm in world[host_]["resident_VMs"] if not world[vm]["is_control_domain"]]
    if guests and asked & {"evacuate_host", "reboot_host"}:
        raise Failure("HOST_EVACUATION_IS_REQUIRED", Handle(host_))


def _applied_now(call: Call, host_: Id, updates: list[Update], hash_: str) -> None:
    world = call.world
    applied = sorted(_applied(world, host_) | {update.id for update in updates})
    with world.edit() as edit:
        dom0_files.write(world, edit, APPLIED, json.dumps(applied), host_)
        for kind in guidance.PENDING:
            asked = {one for update in updates for one in update.guidance[kind]} - {"evacuate_host"}
            guidance.add(edit, host_, kind, asked)
        edit.set(host_, last_software_update=call.now(), last_update_hash=hash_)


def clear_mandatory_guidance(call: Call) -> None:
    """Drop the mandatory steps that remain for this host, for when they cannot be done."""
    with call.world.edit() as edit:
        edit.set(call.host, pending_guidances=())


def check_readiness(call: Call, pool: Id, requires_reboot: bool) -> list[list[str]]:
    """The obstacles to updating the pool: errors with their parameters."""
    world = call.world
    found = [["HA_IS_ENABLED"]] if world[pool]["ha_enabled"] else []
    for one in sorted(world.ids("host")):
        metrics = world.get(world[one]["metrics"])
        if metrics is None or not metrics["live"]:
            found.append(["HOST_OFFLINE", world.ref(one)])
        elif requires_reboot:
            found += host_evacuation.get_vms_which_prevent_evacuation(call, one).values()
    return found


def configure_sync(call: Call, pool: Id, frequency: str, day: int) -> None:
    """Set when to look for updates: daily, or weekly on a day from 0, Sunday. INVALID_UPDATE_SYNC_DAY [day]."""
    if not 0 <= day <= (6 if frequency == "weekly" else 0):
        raise Failure("INVALID_UPDATE_SYNC_DAY", str(day))
    with call.world.edit() as edit:
        edit.set(pool, update_sync_frequency=frequency, update_sync_day=day)
    if call.world[pool]["update_sync_enabled"]:
        call.spawn(_SCHEDULE, _keep_syncing(call, pool))


def set_sync_enabled(call: Call, pool: Id, value: bool) -> None:
    """Switch scheduled synchronisation on or off. Only for remote repositories: otherwise CAN_NOT_PERIODIC_SYNC_UPDATES []."""
    world = call.world
    if value and world[repositories.enabled_update_repository(world)]["origin"] != "remote":
        raise Failure("CAN_NOT_PERIODIC_SYNC_UPDATES")
    with world.edit() as edit:
        edit.set(pool, update_sync_enabled=value)
    if value:
        call.spawn(_SCHEDULE, _keep_syncing(call, pool))
    else:
        call.stop(_SCHEDULE)


def follow_schedule(call: Call) -> None:
    """Resume the schedule of a database that was loaded or rolled back."""
    pool = call.world.get(POOL)
    if pool is not None and pool["update_sync_enabled"]:
        call.spawn(_SCHEDULE, _keep_syncing(call, POOL))


async def _keep_syncing(call: Call, pool: Id) -> None:
    while call.world[pool]["update_sync_enabled"]:
        await asyncio.sleep(_seconds_to_next(call, pool))
        try:
            await sync_updates(call, pool)
        except Failure as failure:
            call.announce(
                "PERIODIC_UPDATE_SYNC_FAILED", pool, f"<body><message>Periodic update sync failed.</message>{failure.code}</body>"
            )


def _seconds_to_next(call: Call, pool: Id) -> float:
    """The seconds until midnight begins the next scheduled day."""
    now, row = moment(call.now()), call.world[pool]
    midnight = now.replace(hour=0, minute=0, second=0) + _DAY
    if row["update_sync_frequency"] == "weekly":
        midnight += _DAY * ((row["update_sync_day"] - midnight.isoweekday()) % 7)
    return (midnight - now).total_seconds()


VERBS: Mapping[str, Verb] = {
    "pool.sync_updates": sync_updates,
    "pool.check_update_readiness": check_readiness,
    "pool.configure_update_sync": configure_sync,
    "pool.set_update_sync_enabled": set_sync_enabled,
    "host.apply_updates": apply_updates,
    "host.emergency_clear_mandatory_guidance": clear_mandatory_guidance,
}
