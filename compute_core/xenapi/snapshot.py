"""Make an image of a server's root disk: a snapshot of the VDI, streamed out with all that its chain holds, then forgotten."""

from __future__ import annotations

from compute_core.xenapi.certainty import all_of, certain, destroy, one_of
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.image_stream import Images
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo


async def snapshot(xapi: XenApi, vm: str, image_id: str, images: Images) -> None:
    """Fill the queued image ``image_id``. The VM may go on running; nothing is left on the host, however it ends.

    Raises XenApiFailure, NotSent, ReplyLost, TransferFailed, BadImage.
    """
    vbds = await all_of(xapi, "VBD", {"VM": vm, "userdevice": "0"})
    root = next((vbd["VDI"] for vbd in vbds.values() if not vbd["empty"]), None)
    if root is None:
        raise TransferFailed("the server has no root disk")
    async with Undo(f"snapshot into image {image_id}") as undo:
        copy = await certain(xapi.call("VDI.snapshot", root, {}), lambda: one_of(xapi, "VDI", {"snapshot_of": root}))
        undo.add("destroy the snapshot", lambda: destroy(xapi, "VDI", copy))
        await images.upload(image_id, xapi.get_vdi(copy))
    await destroy(xapi, "VDI", copy)
