"""The disks of an SR as VHD files in a real folder: laid out for a script before it runs, and taken up from it afterwards.

What a script makes there is a disk that lies in the SR: SR.scan or an introduction makes a VDI of it, as with a file that was copied to a
real one. Disks that the script's call names have their bytes, and so have those that they build upon; of others there is the metadata,
so that a folder of a thousand disks costs little.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from fake_xapi.dom0.disks import Disk
from fake_xapi.dom0.folders import Laid, SrFolder
from fake_xapi.dom0.plugins import vhd_files
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.dom0.plugins.vhd_files import Vhd
from fake_xapi.dom0.vhd import FOOTER_BYTES, VhdError, read_footer
from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.dom0.vhd_write import Parent, VhdImage
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.lifecycle.storage_types import CHAINED_TYPES, is_thin
from fake_xapi.state.ids import Id
from fake_xapi.verbs.disks import media

log = logging.getLogger(__name__)
UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HIDDEN_AT = 85
_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """A disk of an SR, whether it has a row or lies there without one. ``parent`` is its uuid, "" for none."""

    size: int
    disk: Disk | None
    parent: str
    is_hidden: bool


def srs_of_files(dom0: Dom0, uuids: frozenset[str]) -> list[Id]:
    """Those of the SRs that are plugged into the host and keep their disks as VHD files."""
    plugged = (dom0.world[pbd] for pbd in dom0.world[dom0.host]["PBDs"])
    srs = [pbd["SR"] for pbd in plugged if pbd["currently_attached"] and dom0.world.uuid(pbd["SR"]) in uuids]
    return [sr for sr in srs if is_thin(dom0.world[sr]["type"]) and dom0.world[sr]["type"] in CHAINED_TYPES]


# ---- before --------------------------------------------------------------------------------------------------------------------


async def lay(dom0: Dom0, folder: SrFolder, sr: Id, named: frozenset[str]) -> None:
    """Bring the files of a folder in line with an SR's disks; those that are ``named`` with their bytes."""
    async with folder.lock:
        disks = _disks(dom0, sr)
        whole = _with_parents(disks, named)
        for gone in folder.laid.keys() - disks.keys():
            _path(folder, gone).unlink(missing_ok=True)
            del folder.laid[gone]
        for uuid, held in disks.items():
            wanted = Laid(held.disk, held.parent, uuid in whole)
            known = folder.laid.get(uuid)
            if known is None or not _serves(known, wanted) or not _path(folder, uuid).exists():
                image = _image(dom0, folder, disks, uuid, is_whole=wanted.is_whole)
                await asyncio.to_thread(_write, _path(folder, uuid), image)
                folder.laid[uuid] = wanted


def _serves(known: Laid, wanted: Laid) -> bool:
    return known.disk is wanted.disk and known.parent == wanted.parent and known.is_whole >= wanted.is_whole


def _disks(dom0: Dom0, sr: Id) -> dict[str, Held]:
    row = dom0.world[sr]
    found: dict[str, Held] = {}
    on = media.shelf(dom0.call, row["type"])
    medium = media.find(on, dom0.world.uuid(sr))
    for uuid, text in (on.world[medium]["disks"] if medium else {}).items():
        found[uuid] = _held(media.read(text), on.disks.get(uuid))
    for vdi in row["VDIs"]:
        if dom0.world[vdi]["type"] != "cbt_metadata":
            found[dom0.world.uuid(vdi)] = _held(dom0.world[vdi], dom0.call.disks.get(vdi))
    return found


def _held(fields: AnyRow | dict[str, Any], disk: Disk | None) -> Held:
    return Held(fields["virtual_size"], disk, fields["sm_config"].get("vhd-parent", ""), not fields["managed"])


def _with_parents(disks: Mapping[str, Held], named: frozenset[str]) -> set[str]:
    found: set[str] = set()
    for uuid in named & disks.keys():
        while uuid in disks and uuid not in found:
            found.add(uuid)
            uuid = disks[uuid].parent
    return found


def _image(dom0: Dom0, folder: SrFolder, disks: Mapping[str, Held], uuid: str, *, is_whole: bool) -> VhdImage:
    held = disks[uuid]
    above = disks.get(held.parent)
    numbers: list[int] = []
    if is_whole and held.disk is not None:
        base = above.disk if above is not None else None
        numbers = held.disk.numbers() if base is None else held.disk.changed_since(base)
    parent = Parent(_own_uuid(folder, held.parent), f"{held.parent}.vhd") if above is not None else None
    block = partial(dom0.call.disks.block, held.disk) if held.disk is not None else bytes
    return VhdImage(held.size, _own_uuid(folder, uuid), numbers, block, parent, held.is_hidden)


def _own_uuid(folder: SrFolder, uuid: str) -> UUID:
    """What a disk's file calls itself, by which its children know it: a file that a script made may differ from its name."""
    try:
        with _path(folder, uuid).open("rb") as file:
            file.seek(-FOOTER_BYTES, 2)
            return read_footer(file.read(), 0).uuid
    except (OSError, VhdError):
        return UUID(uuid)


def _write(path: Path, image: VhdImage) -> None:
    aside = path.with_suffix(".laying")
    with aside.open("wb") as file:
        for piece in image.pieces():
            file.write(piece)
    aside.rename(path)


def _path(folder: SrFolder, uuid: str) -> Path:
    return folder.path / f"{uuid}.vhd"


# ---- afterwards ----------------------------------------------------------------------------------------------------------------


async def take_up(dom0: Dom0, folder: SrFolder, sr: Id) -> None:
    """Let the files that are new in a folder be disks that lie in the SR, and forget those that lay there and are gone."""
    async with folder.lock:
        files = {path.stem: path for path in folder.path.glob("*.vhd") if UUIDS.fullmatch(path.stem)}
        _forget(dom0, folder, sr, folder.laid.keys() - files.keys())
        new = {uuid: path for uuid, path in files.items() if uuid not in folder.laid}
        parents = {uuid: parent_name(path) for uuid, path in new.items()}
        while ready := [uuid for uuid in parents if parents[uuid] not in parents]:
            for uuid in ready:
                await _take(dom0, folder, sr, new[uuid], parents.pop(uuid))


async def _take(dom0: Dom0, folder: SrFolder, sr: Id, path: Path, parent: str) -> None:
    row, above = dom0.world[sr], _disks(dom0, sr).get(parent)
    base = Vhd(above.size, above.disk) if above is not None and above.disk is not None else None
    try:
        with path.open("rb") as file:
            vhd = await vhd_files.decode(dom0, f"/tmp/{path.name}", file, base)  # noqa: S108  # a name within the simulated dom0
    except PluginError as refusal:
        log.warning("%s is passed over: %s", path, refusal)
        return
    own = vhd.disk.changed_since(base.disk) if base is not None else vhd.disk.numbers()
    note = vhd_files.note(row["type"], path.stem, vhd, len(own), parent, is_hidden=_is_hidden(path))
    media.put(dom0.call, row["type"], dom0.world.uuid(sr), {path.stem: note}, {path.stem: vhd.disk})
    folder.laid[path.stem] = Laid(vhd.disk, parent, is_whole=True)


def parent_name(path: Path) -> str:
    """The disk that a file says it builds upon, by the name beside it; "" for none, or for what is no VHD."""
    decoder = VhdDecoder()
    try:
        with path.open("rb") as file:
            for _ in decoder.feed(file.read(_HEAD)):
                break
    except VhdError:
        return ""
    return decoder.header.parent_name.removesuffix(".vhd") if decoder.header is not None else ""


def _is_hidden(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(_HIDDEN_AT - FOOTER_BYTES, 2)
        return file.read(1) == b"\x01"


def _forget(dom0: Dom0, folder: SrFolder, sr: Id, gone: set[str]) -> None:
    """A file that had no row goes for good; one that has is laid out again before the next script."""
    for uuid in gone:
        del folder.laid[uuid]
        media.drop(dom0.call, dom0.world[sr]["type"], dom0.world.uuid(sr), uuid)
