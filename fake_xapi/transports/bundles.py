"""The handlers of repositories: ``PUT /bundle`` uploads one as a tar file, ``GET /updates`` lists the updates available to hosts."""

from __future__ import annotations

import tarfile

import orjson

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.updateinfo import BadRepository, Update, from_bundle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.transports.admitted import Admitted, admitting, answer_of, whole_body
from fake_xapi.transports.transfers import Handlers, TransferAnswer
from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.updates import repositories
from fake_xapi.verbs.updates.host_updates import missing_updates

MOST_BYTES = 256 << 20


async def _upload(admitted: Admitted) -> TransferAnswer:
    """Accept a bundle and synchronise with it. BUNDLE_REPO_NOT_ENABLED [], BUNDLE_UNPACK_FAILED [error], BUNDLE_SYNC_FAILED []."""
    xapi, world = admitted.xapi, admitted.xapi.world
    if not any(world[one]["origin"] == "bundle" for one in world[POOL]["repositories"]):
        raise Failure("BUNDLE_REPO_NOT_ENABLED")
    too_long = Failure("BUNDLE_UNPACK_FAILED", f"longer than {MOST_BYTES} bytes")
    cut_short = Failure("BUNDLE_UNPACK_FAILED", "the bundle ended too soon")
    hash_, text = _unpacked(await whole_body(admitted, MOST_BYTES, too_long=too_long, cut_short=cut_short))
    with world.edit() as edit:
        dom0_files.write(world, edit, repositories.BUNDLE, text)
        dom0_files.write(world, edit, repositories.BUNDLE_HASH, hash_)
    try:
        await answer_of(xapi.dispatch("pool.sync_updates", [world.ref(admitted.session), world.ref(POOL), True, "", ""]))
    except Failure as failure:
        raise Failure("BUNDLE_SYNC_FAILED") from failure
    admitted.task.result("")
    return TransferAnswer()


def _unpacked(content: bytes) -> tuple[str, str]:
    try:
        return from_bundle(content)
    except tarfile.TarError as error:
        raise Failure("BUNDLE_UNPACK_FAILED", str(error)) from error
    except BadRepository as error:
        raise Failure(error.code) from error


async def _updates(admitted: Admitted) -> TransferAnswer:
    """The updates of the last synchronisation that the hosts in ``host_refs`` (default: all) lack, as JSON."""
    world = admitted.xapi.world
    repository = repositories.enabled_update_repository(world)
    named = [ref for ref in admitted.parameters.get("host_refs", "").split(",") if ref]
    hosts = [world.find_ref(ref) for ref in named] or sorted(world.ids("host"))
    body = orjson.dumps(_told(world, repository, hosts))
    admitted.task.result("")
    return TransferAnswer((("Content-Type", "application/json"),), len(body), iter((body,)))


def _told(world: World, repository: Id, hosts: list[Id]) -> dict[str, object]:
    missing = {host: missing_updates(world, repository, host) for host in hosts}
    wanted = {update.id: update for updates in missing.values() for update in updates}
    return {
        "hosts": [_host(world, host, updates) for host, updates in missing.items()],
        "updates": [{"id": update.id, **update.told, "guidance": _asked([update])} for update in wanted.values()],
        "hash": world[repository]["hash"],
    }


def _host(world: World, host: Id, updates: list[Update]) -> dict[str, object]:
    return {
        "ref": world.ref(host),
        "guidance": _asked(updates),
        "RPMS": sorted({package for update in updates for package in update.packages}),
        "updates": [update.id for update in updates],
        "livepatches": [],
    }


def _asked(updates: list[Update]) -> dict[str, list[str]]:
    """The guidance of updates, by kind."""
    kinds = {kind for update in updates for kind in update.guidance}
    return {kind: sorted({one for update in updates for one in update.guidance[kind]}) for kind in sorted(kinds)}


HANDLERS: Handlers = {
    (b"PUT", b"/bundle"): admitting("put_bundle", _upload),
    (b"GET", b"/updates"): admitting("get_updates", _updates),
}
