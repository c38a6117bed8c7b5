"""A server anew from an image, under the same uuid and with the same interfaces: the former VM is set aside until the new one stands.

Eighteen calls when the image is cached and there is one interface. Whatever fails leaves the former VM as it was.
"""

from __future__ import annotations

from compute_core.model.images import Image
from compute_core.model.instances import RUNNING, Instance
from compute_core.xenapi.former import bring_back, set_aside
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import reach, start
from compute_core.xenapi.removal import remove
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.undo import Undo


async def rebuild(
    xapi: XenApi, place: Place, cache: ImageCache, vm: str | None, wanted: Instance, image: Image, admin_password: str = ""
) -> str:  # fmt: skip
    """The ref of the new VM, running if the server was not stopped; the former one, ``vm``, is still there, set aside.

    ``wanted`` is the server as it is to be; None for a server of which nothing is left. The image is fetched before anything else.
    ``admin_password`` goes onto the config drive.
    Raises BuildFailed, XenApiFailure, NotSent, ReplyLost, TransferFailed, BadImage.
    """
    await cache.prepare(xapi, wanted, image)
    async with Undo(f"rebuild {wanted.domain_name}") as undo:
        if vm is not None:
            record = await xapi.call("VM.get_record", vm)
            undo.add("bring the former VM back", lambda: _take_back(xapi, place, vm, wanted))
            await reach(xapi, "Halted", "VM.hard_shutdown", vm)
            await set_aside(xapi, vm, wanted.domain_name, record["other_config"])
        undo.add("remove the new VM", lambda: remove(xapi, wanted.uuid, wanted.domain_name))  # whose creation may be broken off
        built = await spawn(xapi, place, cache, wanted, image, admin_password)
        if wanted.vm_state == "stopped":
            await reach(xapi, "Halted", "VM.hard_shutdown", built)
    return built


async def _take_back(xapi: XenApi, place: Place, vm: str, server: Instance) -> None:
    """The former VM is the server's again, as far as it was not, and runs if it did."""
    await bring_back(xapi, server.uuid, server.domain_name)
    if server.power_state == RUNNING:
        await start(xapi, place, vm)
