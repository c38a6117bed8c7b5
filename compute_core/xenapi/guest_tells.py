"""What a running guest is told through xenstore, and what VMs are called."""

from __future__ import annotations

import json
from collections.abc import Mapping

from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance
from compute_core.xenapi import records
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import Dom0
from compute_core.xenapi.session import XenApi

CRASH: Mapping[str, str | None] = {"control/sysrq": "c"}
"""Linux' own drivers for Xen take this for the key of a crash."""


async def trigger_crash(xapi: XenApi, place: Place, vm: str) -> None:
    """Let the guest's kernel panic: two calls. Conflict for a VM that does not run."""
    await Dom0(xapi, place.host).write_xenstore(await domain_of(xapi, vm), CRASH)


async def inject_network_info(xapi: XenApi, place: Place, vm: str, instance: Instance) -> None:
    """Write the addresses of the server's interfaces to where the guest reads them, and where it will after a reboot: three calls."""
    wanted = {key: value for key, value in records.xenstore(instance).items() if key.startswith("vm-data/networking/")}
    record = await xapi.call("VM.get_record", vm)
    kept = {key: value for key, value in record["xenstore_data"].items() if not key.startswith("vm-data/networking/")}
    await xapi.call("VM.set_xenstore_data", vm, kept | wanted)
    if int(record["domid"]) >= 0:
        gone = {key: None for key in record["xenstore_data"] if key not in kept and key not in wanted}
        await Dom0(xapi, place.host).write_xenstore(int(record["domid"]), {**gone, **wanted})


async def change_metadata(xapi: XenApi, vm: str, items: Mapping[str, str | None]) -> None:
    """Tell a guest of items of its metadata, None for one that is gone; a running one at once. Two calls for an item, one for None.

    Item by item, and not by the whole map: what others write to the same VM meanwhile stays.
    """
    for item, value in items.items():
        key = records.metadata_key(item)
        await xapi.call("VM.remove_from_xenstore_data", vm, key)
        if value is not None:
            await xapi.call("VM.add_to_xenstore_data", vm, key, json.dumps(value))


async def rename(xapi: XenApi, vm: str, name: str) -> None:
    """Call a VM as its server is called now; one that is gone needs no name."""
    try:
        await xapi.call("VM.set_name_label", vm, name)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise


async def domain_of(xapi: XenApi, vm: str) -> int:
    """The number of a VM's domain. Conflict for one that does not run."""
    domid = int(await xapi.call("VM.get_domid", vm))
    if domid < 0:
        raise Conflict("The server is not running: there is nothing to be told. Cure: start it.")
    return domid
