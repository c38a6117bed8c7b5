"""The handler of patches: ``PUT /pool_patch_upload``. The client's task results in the ref of the pool_patch.

Up to Dundee the master keeps the file, among the disks under the patch's id; since Ely it goes to a VDI of its own.
"""

from __future__ import annotations

from typing import cast

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.update_info import BadInfo, UpdateInfo, patch_info
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.transports.admitted import Admitted, admitting, answer_of, whole_body
from fake_xapi.transports.ports import Xapi
from fake_xapi.transports.transfers import BadRequest, Handlers, TransferAnswer
from fake_xapi.transports.vdis import find_vdi, open_for_import, settle_import
from fake_xapi.verbs.updates.pool_patch import PATCH_FOLDER
from fake_xapi.verbs.updates.pool_update import patch_of

MOST_BYTES = 512 << 20


async def _upload(admitted: Admitted) -> TransferAnswer:
    """Accept a patch. INVALID_PATCH [], PATCH_ALREADY_EXISTS [uuid]; since Ely INVALID_UPDATE, UPDATE_ALREADY_EXISTS."""
    is_update = admitted.xapi.personality.has_field("pool_patch", "pool_update")
    patch = await (_update(admitted) if is_update else _patch(admitted))
    admitted.task.result(admitted.xapi.world.ref(patch))
    return TransferAnswer()


async def _content(admitted: Admitted) -> bytes:
    too_long, cut_short = Failure("OUT_OF_SPACE", PATCH_FOLDER), Failure("INVALID_PATCH")
    return await whole_body(admitted, MOST_BYTES, too_long=too_long, cut_short=cut_short)


async def _patch(admitted: Admitted) -> Id:
    xapi, content = admitted.xapi, await _content(admitted)
    try:
        info = patch_info(content)
    except BadInfo as error:
        raise Failure("INVALID_PATCH") from error
    known = xapi.world.by_uuid("pool_patch", info.uuid)
    if known and known in xapi.disks:
        raise Failure("PATCH_ALREADY_EXISTS", info.uuid)
    patch = known or _row(xapi, info)
    with xapi.world.edit() as edit:
        edit.set(patch, filename=f"{PATCH_FOLDER}/{xapi.world.uuid(patch)}", size=len(content))
    _keep(xapi, patch, content)
    return patch


def _row(xapi: Xapi, info: UpdateInfo) -> Id:
    with xapi.world.edit() as edit:
        return edit.create(
            "pool_patch", uuid=info.uuid, name_label=info.name_label, name_description=info.name_description, version=info.version,
            after_apply_guidance=info.guidance,
        )  # fmt: skip


def _keep(xapi: Xapi, key: Id, content: bytes) -> None:
    xapi.disks.create(key, len(content))
    xapi.disks.write(key, 0, content)


async def _update(admitted: Admitted) -> Id:
    """Write the image to a new VDI, and introduce the update on it; the VDI is destroyed again when that fails."""
    xapi, content = admitted.xapi, await _content(admitted)
    session = xapi.world.ref(admitted.session)
    vdi = await _vdi(admitted, session, len(content))
    try:
        _fill(xapi, find_vdi(xapi, vdi), content)
        update = cast(str, await answer_of(xapi.dispatch("pool_update.introduce", [session, vdi])))
    except Failure:
        await answer_of(xapi.dispatch("VDI.destroy", [session, vdi]))
        raise
    return patch_of(xapi.world, xapi.world.find_ref(update))


def _fill(xapi: Xapi, vdi: Id, content: bytes) -> None:
    before = xapi.disks[vdi]
    sink = open_for_import(xapi, vdi, len(content))
    sink.write(0, content)
    sink.flush()
    settle_import(xapi, vdi, before)


async def _vdi(admitted: Admitted, session: str, size: int) -> str:
    world = admitted.xapi.world
    sr = admitted.parameters.get("sr_id", "") or world.ref(world[POOL]["default_SR"])
    if world.by_uuid("SR", sr):
        sr = world.ref(world.by_uuid("SR", sr))
    if not size:
        raise BadRequest(400, "An update has bytes")
    record = {
        "name_label": "Uploaded update", "name_description": "", "SR": sr, "virtual_size": str(size), "type": "user", "sharable": False,
        "read_only": False, "other_config": {},
    }  # fmt: skip
    return cast(str, await answer_of(admitted.xapi.dispatch("VDI.create", [session, record])))


HANDLERS: Handlers = {(b"PUT", b"/pool_patch_upload"): admitting("put_pool_patch_upload", _upload)}
