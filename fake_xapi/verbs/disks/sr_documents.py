"""The documents in drivers' answers: the possible values of a missing key, and the SRs that a probe found.

Old releases put each text on a line of its own; clients strip it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fake_xapi.datamodel.personality import Era
from fake_xapi.datamodel.wire import escape
from fake_xapi.dom0.arrays import Lun, Server, Target

Element = tuple[str, "str | tuple[Element, ...]"]
"""A tag, and its text or what is in it."""


class FoundSr(NamedTuple):
    """An SR that a probe found: its location, and its size if its driver reports one."""

    uuid: str
    device: str = ""
    size: int = -1


def document(root: Element, era: Era) -> str:
    """An XML document, indented as the drivers do it."""
    return '<?xml version="1.0" ?>\n' + "".join(_lines(root, "", is_old=era != "modern"))


def _lines(element: Element, indent: str, *, is_old: bool) -> Iterable[str]:
    tag, content = element
    if isinstance(content, str):
        text = escape(content)
        yield f"{indent}<{tag}>\n{indent}\t{text}\n{indent}</{tag}>\n" if is_old else f"{indent}<{tag}>{text}</{tag}>\n"
    elif not content:
        yield f"{indent}<{tag}/>\n"
    else:
        yield f"{indent}<{tag}>\n"
        for child in content:
            yield from _lines(child, indent + "\t", is_old=is_old)
        yield f"{indent}</{tag}>\n"


def exports(server: Server, name: str, era: Era) -> str:
    """The exports of an NFS server."""
    listed = tuple(("Export", (("Target", name), ("Path", path), ("Accesslist", "*"))) for path in server.shares)
    return document(("nfs-exports", listed), era)


def targets(found: Iterable[Target], portal: str, era: Era) -> str:
    """The targets behind a portal, plus the entry that stands for all of them."""
    iqns = [target.iqn for target in found] + ["*"]
    listed = tuple(("TGT", (("Index", str(place)), ("IPAddress", portal), ("TargetIQN", iqn))) for place, iqn in enumerate(iqns))
    return document(("iscsi-target-iqns", listed), era)


def luns(found: Iterable[Lun], era: Era) -> str:
    """The LUNs of a target."""
    return document(("iscsi-target", tuple(_lun(lun) for lun in found)), era)


def _lun(lun: Lun) -> Element:
    parts = (("vendor", lun.vendor), ("serial", lun.serial), ("LUNid", str(lun.number)), ("size", str(lun.size)), ("SCSIid", lun.scsi_id))
    return "LUN", parts


def block_devices(found: Iterable[Lun], era: Era) -> str:
    """The LUNs visible to a host bus adapter."""
    return document(("Devlist", tuple(_block_device(lun) for lun in found)), era)


def _block_device(lun: Lun) -> Element:
    place = (("adapter", "host1"), ("channel", "0"), ("id", "0"), ("lun", str(lun.number)), ("hba", "qla2xxx"))
    path = f"/dev/disk/by-id/scsi-{lun.scsi_id}"
    what = (("path", path), ("vendor", lun.vendor), ("serial", lun.serial), ("size", str(lun.size)), ("SCSIid", lun.scsi_id))
    return "BlockDevice", (*what, *place)


def aggregates(filer: Server, era: Era) -> str:
    """The aggregates of a filer."""
    listed = tuple(("Aggr", (("Name", name), ("Size", str(size)))) for name, size in filer.shares.items())
    return document(("Aggrlist", listed), era)


def storage_pools(group: Server, era: Era) -> str:
    """The storage pools of a group."""
    listed = tuple(("StoragePool", (("Name", name), ("Capacity", str(size)))) for name, size in group.shares.items())
    return document(("StoragePools", listed), era)


def srs(found: Iterable[FoundSr], era: Era) -> str:
    """The SRs that a probe found."""
    return document(("SRlist", tuple(("SR", _sr(sr)) for sr in found)), era)


def _sr(sr: FoundSr) -> tuple[Element, ...]:
    device: tuple[Element, ...] = (("Devlist", sr.device),) if sr.device else ()
    size: tuple[Element, ...] = (("size", str(sr.size)),) if sr.size >= 0 else ()
    return (("UUID", sr.uuid), *device, *size)
