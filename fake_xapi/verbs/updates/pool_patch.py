"""The verbs of pool_patch and host_patch. Since Ely a patch shadows a pool_update, and verbs act on that."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.updates import pool_update, update_files

PATCH_FOLDER = "/var/patch"
APPLIED = "Patch applied."


def host_patch_of(world: World, patch: Id, host: Id) -> Id:
    """The row that records a patch on a host; NULL when it is not applied there."""
    return next((int(one) for one in world[patch]["host_patches"] if world[one]["host"] == host), NULL)


async def precheck(call: Call, patch: Id, host: Id) -> str:
    """Check whether a patch can be applied to a host; PATCH_PRECHECK_FAILED_*, CANNOT_FIND_PATCH []."""
    update = call.world[patch]["pool_update"]
    if update:
        await pool_update.precheck(call, update, host)
        return ""
    await call.takes("pool_patch.precheck")
    update_files.precheck(call, "PATCH", patch, update_files.patch_of(call, patch), host)
    return ""


async def apply(call: Call, patch: Id, host: Id) -> str:
    """Apply a patch to a host; returns its output.

    PATCH_ALREADY_APPLIED [patch], PATCH_PRECHECK_FAILED_*, PATCH_APPLY_FAILED [log].
    """
    update = call.world[patch]["pool_update"]
    if update:
        await pool_update.apply(call, update, host)
        return ""
    _assert_not_applied(call, patch, host)
    await precheck(call, patch, host)
    info = update_files.patch_of(call, patch)
    await call.takes("pool_patch.apply")
    _assert_not_applied(call, patch, host)
    if info.demands.apply_fails:
        raise Failure("PATCH_APPLY_FAILED", info.demands.apply_fails)
    with call.world.edit() as edit:
        note_applied(call, edit, patch, host)
    return info.demands.output or APPLIED


def _assert_not_applied(call: Call, patch: Id, host: Id) -> None:
    row = host_patch_of(call.world, patch, host)
    if row and call.world[row]["applied"]:
        raise Failure("PATCH_ALREADY_APPLIED", Handle(patch))


def note_applied(call: Call, edit: Edit, patch: Id, host: Id) -> None:
    """Record that a patch has just been applied to a host."""
    row = host_patch_of(call.world, patch, host) or edit.create("host_patch", host=host, pool_patch=patch)
    edit.set(row, applied=True, timestamp_applied=call.now())


async def pool_apply(call: Call, patch: Id) -> None:
    """Apply a patch to every host that lacks it."""
    for host in sorted(call.world.ids("host")):
        row = host_patch_of(call.world, patch, host)
        if not row or not call.world[row]["applied"]:
            await apply(call, patch, host)
    with call.world.edit() as edit:
        edit.set(patch, pool_applied=True)


def clean(call: Call, patch: Id) -> None:
    """Delete the file of a patch on the master. Since Ely there is none."""
    if patch in call.disks:
        call.disks.destroy(patch)


def clean_on_host(call: Call, patch: Id, host: Id) -> None:
    """Delete the file of a patch on a host: outside the application itself only the master has one."""
    if host == call.host:
        clean(call, patch)


async def pool_clean(call: Call, patch: Id) -> None:
    """Delete the files of a patch on every host; since Ely the VDI of its update."""
    update = call.world[patch]["pool_update"]
    if update:
        await pool_update.pool_clean(call, update)
        return
    clean(call, patch)
    with call.world.edit() as edit:
        edit.set(patch, filename="")


def destroy(call: Call, patch: Id) -> None:
    """Forget a patch that is applied nowhere; PATCH_IS_APPLIED []."""
    if call.world[patch]["host_patches"]:
        raise Failure("PATCH_IS_APPLIED")
    clean(call, patch)
    with call.world.edit() as edit:
        edit.destroy(patch)


async def apply_host_patch(call: Call, host_patch: Id) -> str:
    """Apply the patch of a row to the row's host. Deprecated in XAPI since 2007, in favour of pool_patch.apply."""
    row = call.world[host_patch]
    if not row["pool_patch"]:
        raise Failure("CANNOT_FIND_PATCH")
    return await apply(call, row["pool_patch"], row["host"])


def destroy_host_patch(call: Call, host_patch: Id) -> None:
    """Forget a patch that was uploaded to a host and never applied; PATCH_IS_APPLIED []."""
    if call.world[host_patch]["applied"]:
        raise Failure("PATCH_IS_APPLIED")
    with call.world.edit() as edit:
        edit.destroy(host_patch)


VERBS: Mapping[str, Verb] = {
    "pool_patch.precheck": precheck,
    "pool_patch.apply": apply,
    "pool_patch.pool_apply": pool_apply,
    "pool_patch.clean": clean,
    "pool_patch.clean_on_host": clean_on_host,
    "pool_patch.pool_clean": pool_clean,
    "pool_patch.destroy": destroy,
    "host_patch.apply": apply_host_patch,
    "host_patch.destroy": destroy_host_patch,
}
