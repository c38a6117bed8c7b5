"""Messages about the content of a VDI: checksums, databases, and access from elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import xmlrpc.client  # the driver answers a call of this form, which it writes with this library
from collections.abc import Iterator, Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.disks import databases, storage
from fake_xapi.verbs.hosts import dom0_files

NBD_PORT = 10809
CERTIFICATE_PATH = "/etc/xensource/xapi-ssl.pem"
_BLOCKS_AT_ONCE = 16
"""The bytes to sum before other calls get a turn."""
_NBD_PURPOSES = frozenset({"nbd", "insecure_nbd"})


async def checksum(call: Call, vdi: Id) -> str:
    """The MD5 sum of a whole disk, as 32 hexadecimal digits."""
    storage.assert_usable(call, vdi)
    disk = call.disks.get(vdi)
    size: int = call.world[vdi]["virtual_size"]
    await call.takes("VDI.checksum", bytes_moved=size)
    summed = hashlib.md5(usedforsecurity=False)
    for number in range(-(-size // BLOCK_BYTES)):
        if number % _BLOCKS_AT_ONCE == 0:
            await asyncio.sleep(0)
        held = call.disks.block(disk, number) if disk is not None else bytes(BLOCK_BYTES)
        summed.update(held[: size - number * BLOCK_BYTES])
    return summed.hexdigest()


async def generate_config(call: Call, host: Id, vdi: Id) -> str:
    """The data with which a host can attach a disk while it has no database, in the driver's format."""
    row = call.world[vdi]
    async with call.operating((vdi, "generate_config")):
        storage.assert_usable(call, vdi)
        await call.takes("VDI.generate_config")
        links = (call.world[pbd] for pbd in call.world[row["SR"]]["PBDs"])
        config: Mapping[str, str] = next((link["device_config"] for link in links if link["host"] == host), {})
        asked = {
            "sr_uuid": call.world.uuid(row["SR"]),
            "vdi_uuid": call.world.uuid(vdi),
            "device_config": dict(config),
            "command": "vdi_attach_from_config",
        }
        return xmlrpc.client.dumps((asked,), "vdi_attach_from_config")


def get_nbd_info(call: Call, vdi: Id) -> list[dict[str, Any]]:
    """Every address at which a disk can be read over NBD: those of hosts that see it, on networks with that purpose."""
    row = call.world[vdi]
    if row["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", Handle(vdi), row["type"])
    name = f"/{call.world.uuid(vdi)}?session_id={call.world.ref(call.session)}"
    return [
        {"exportname": name, "address": address, "port": NBD_PORT, "cert": _certificate(call, host), "subject": _subject(call, host)}
        for host in _seeing(call, row["SR"])
        for address in _addresses(call, host)
    ]


def _seeing(call: Call, sr: Id) -> list[Id]:
    links = (call.world[pbd] for pbd in call.world[sr]["PBDs"])
    return sorted(link["host"] for link in links if link["currently_attached"])


def _addresses(call: Call, host: Id) -> Iterator[str]:
    """The host's addresses on networks meant for NBD, IPv4 before IPv6."""
    for pif in call.world[host]["PIFs"]:
        row = call.world[pif]
        network = call.world.get(row["network"])
        if network is not None and row["currently_attached"] and _NBD_PURPOSES & set(network["purpose"]):
            yield from (address for address in (row["IP"], *(text.partition("/")[0] for text in row["IPv6"])) if address)


def _certificate(call: Call, host: Id) -> str:
    return dom0_files.read(call.world, CERTIFICATE_PATH, host) or ""


def _subject(call: Call, host: Id) -> str:
    return str(call.world[host]["hostname"] or call.world[host]["address"])


def read_database_pool_uuid(call: Call, vdi: Id) -> str:
    """The uuid of the pool whose database a disk holds, "" when it holds none."""
    return databases.pool_of(call.disks, vdi)


VERBS: Mapping[str, Verb] = {
    "VDI.checksum": checksum,
    "VDI.generate_config": generate_config,
    "VDI.get_nbd_info": get_nbd_info,
    "VDI.read_database_pool_uuid": read_database_pool_uuid,
}
