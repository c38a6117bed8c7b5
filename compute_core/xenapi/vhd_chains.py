"""Files in an SR's folder become VDIs: each introduced to XenAPI by name, or all found by a scan of the SR.

An introduction costs two calls for a chain of one and looks at nothing else in the SR; a scan looks at every file of it.
``inova bench introduce`` compares them.
"""

from __future__ import annotations

from collections.abc import Sequence

from compute_core.xenapi.certainty import certain
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.plugins import LaidVhd
from compute_core.xenapi.session import XenApi

_NULL = "OpaqueRef:NULL"


NO_INTRODUCTION = frozenset({"MESSAGE_PARAMETER_COUNT_MISMATCH", "PERMISSION_DENIED", "RBAC_PERMISSION_DENIED"})
"""What hosts of 2011 say, which take no sizes, and those where we are not root."""


async def register(xapi: XenApi, sr: str, chain: Sequence[LaidVhd], label: str) -> str:
    """Make VDIs of a chain's files, in the quicker way that the host allows, and return the leaf's ref; done once, it finds it done."""
    try:
        return await introduce(xapi, sr, chain, label)
    except XenApiFailure as failure:
        if failure.code not in NO_INTRODUCTION:
            raise
    return await scan(xapi, sr, chain, label)


async def introduce(xapi: XenApi, sr: str, chain: Sequence[LaidVhd], label: str) -> str:
    """Make rows for a chain's files, the root first, and return the leaf's ref; what has a row already keeps it.

    Drivers of SRs of files take no ``VDI.introduce``; what they themselves do for a disk is ``VDI.db_introduce``.
    """
    ref = ""
    for vhd in reversed(chain):
        ref = await _introduce(xapi, sr, vhd, label if vhd is chain[0] else "base copy")
    return ref


async def _introduce(xapi: XenApi, sr: str, vhd: LaidVhd, label: str) -> str:
    try:
        made: str = await certain(xapi.call("VDI.db_introduce", *_parameters(sr, vhd, label)), lambda: find(xapi, vhd.uuid))
    except XenApiFailure as failure:
        if failure.code not in {"UUID_INVALID", "LOCATION_NOT_UNIQUE"}:
            raise
        found = await find(xapi, vhd.uuid)
        if found is None:
            raise
        return found
    return made


def _parameters(sr: str, vhd: LaidVhd, label: str) -> list[object]:
    """Those of VDI.db_introduce, in order."""
    parent = {"vhd-parent": vhd.parent} if vhd.parent else {}
    return [
        vhd.uuid, label, "", sr, "user", False, vhd.is_hidden, {}, vhd.uuid, {}, {"vdi_type": "vhd", **parent}, not vhd.is_hidden,
        vhd.virtual_size, vhd.physical_utilisation, _NULL, False, "19700101T00:00:00Z", _NULL,
    ]  # fmt: skip


async def scan(xapi: XenApi, sr: str, chain: Sequence[LaidVhd], label: str) -> str:
    """Let the SR find the files, name the leaf and return its ref."""
    await xapi.call("SR.scan", sr)
    leaf: str = await xapi.call("VDI.get_by_uuid", chain[0].uuid)
    await xapi.call("VDI.set_name_label", leaf, label)
    return leaf


async def find(xapi: XenApi, uuid: str) -> str | None:
    """The VDI of a uuid, None when there is none."""
    try:
        ref: str = await xapi.call("VDI.get_by_uuid", uuid)
    except XenApiFailure as failure:
        if failure.code != "UUID_INVALID":
            raise
        return None
    return ref
