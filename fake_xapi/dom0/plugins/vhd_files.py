"""VHDs as files of dom0: staged somewhere, decoded, and moved into an SR's folder, where only a scan makes VDIs of them.

A file that is staged is a row of the unseen class ``dom0_vhd``; its whole content is a disk under the row's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from fake_xapi.dom0.disks import Disk
from fake_xapi.dom0.plugins.place import Dom0, PluginError, no_such_file
from fake_xapi.dom0.vhd import FOOTER_BYTES, VhdError
from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.lifecycle.storage_types import is_thin
from fake_xapi.state.ids import NULL, Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.disks import media, storage

OLD_NAMES: Mapping[str, str] = {"snap.vhd": "0.vhd", "image.vhd": "0.vhd", "base.vhd": "1.vhd"}
"""What VHDs of old images are called, and what they are."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Vhd:
    """One VHD of a chain: everything that is read through it, its parents included."""

    size: int
    disk: Disk


Chain = Sequence[Vhd]
"""The leaf first."""


def staged_path(dom0: Dom0, path: str) -> str:
    """How a file of this host is named among the files of all."""
    return f"{dom0.world.uuid(dom0.host)}:{path}"


def find(dom0: Dom0, path: str) -> Id:
    """The staged file at a path; NULL when there is none."""
    return next(iter(dom0.world.named("dom0_vhd", staged_path(dom0, path))), NULL)


def stage(call: Call, path: str, vhd: Vhd) -> None:
    """Make a file, or take the place of the one that is there."""
    with call.world.edit() as edit:
        file = next(iter(call.world.named("dom0_vhd", path)), NULL) or edit.create("dom0_vhd", path=path)
        edit.set(file, size=vhd.size)
    call.disks.put(file, vhd.disk)


def unstage(call: Call, file: Id) -> None:
    """Remove a file."""
    with call.world.edit() as edit:
        edit.destroy(file)
    if file in call.disks:
        call.disks.destroy(file)


def content(dom0: Dom0, file: Id) -> Vhd:
    """What a staged file holds."""
    return Vhd(dom0.world[file]["size"], dom0.call.disks[file])


async def decode(dom0: Dom0, path: str, source: IO[bytes], base: Vhd | None) -> Vhd:
    """Read a VHD from a file of ours, on top of its parent; PluginError for what is none. Nothing stays at ``path``."""
    length = source.seek(0, 2)
    source.seek(0)
    stage(dom0.call, staged_path(dom0, path), base or _empty(dom0))
    file = find(dom0, path)
    try:
        return await _decoded(dom0, file, source, length)
    except VhdError as error:
        raise PluginError(f"VHD '{path}' is not valid: {error}", "Exception") from error
    finally:
        unstage(dom0.call, file)


async def _decoded(dom0: Dom0, file: Id, source: IO[bytes], length: int) -> Vhd:
    store, decoder = dom0.call.disks, VhdDecoder()
    writer, size = store.writer(file), 0
    while piece := source.read(_PIECE):
        for offset, extent in decoder.feed(piece):
            size = size or _open(dom0, file, decoder, length)
            writer.write(offset, extent)
        await asyncio.sleep(0)
    size = size or _open(dom0, file, decoder, length)
    for offset, extent in decoder.rest():
        writer.write(offset, extent)
    decoder.finish()
    writer.flush()
    return Vhd(size, store[file])


def _open(dom0: Dom0, file: Id, decoder: VhdDecoder, length: int) -> int:
    """Make the disk as large as the VHD says; a fixed one says it only at its end, but then is all but its footer."""
    size = decoder.footer.size if decoder.footer is not None else max(length - FOOTER_BYTES, 0)
    dom0.call.disks.resize(file, size)
    return size


def _empty(dom0: Dom0) -> Vhd:
    store = dom0.call.disks.empty()
    store.create("", 0)
    return Vhd(0, store[""])


# ---- the folder of an SR ---------------------------------------------------------------------------------------------------------


def chain_in(dom0: Dom0, sr_path: str, uuids: Sequence[str]) -> list[Vhd]:
    """VHDs in an SR's folder, as they are named; PluginError for one that is not there."""
    sr = folder(dom0, sr_path)
    return [_in_folder(dom0, sr, sr_path, uuid) for uuid in uuids]


def folder(dom0: Dom0, sr_path: str) -> Id:
    """The SR whose disks are files in a folder; PluginError when there is none."""
    sr = dom0.sr_at(sr_path)
    if not is_thin(dom0.world[sr]["type"]):
        raise no_such_file(sr_path)
    return sr


def _in_folder(dom0: Dom0, sr: Id, sr_path: str, uuid: str) -> Vhd:
    vdi = dom0.world.by_uuid("VDI", uuid)
    row = dom0.world.get(vdi) if vdi else None
    if row is None or row["SR"] != sr:
        raise no_such_file(f"{sr_path.rstrip('/')}/{uuid}.vhd")
    if vdi in dom0.call.disks:
        return Vhd(row["virtual_size"], dom0.call.disks[vdi])
    store = dom0.call.disks.empty()
    store.create("", row["virtual_size"])
    return Vhd(row["virtual_size"], store[""])


def move_into(dom0: Dom0, sr_path: str, chain: Chain, uuid_stack: list[str]) -> dict[str, dict[str, str]]:
    """Name the files of a chain by uuids from the end of a stack, link them, and move them into an SR: ``{"root": {"uuid": leaf}}``.

    PluginError when there is nothing to move, when uuids run out, or when a name is taken.
    """
    sr = folder(dom0, sr_path)
    if not chain:
        raise PluginError("There are no VHDs to import", "Exception")
    if len(uuid_stack) < len(chain):
        raise PluginError("pop from empty list", "IndexError")
    uuids = [uuid_stack.pop() for _ in chain]
    taken = next((uuid for uuid in uuids if dom0.world.by_uuid("VDI", uuid)), "")
    if taken:
        raise PluginError(f"File '{sr_path}/{taken}.vhd' exists", "Exception")
    sr_type: str = dom0.world[sr]["type"]
    storage.require_space(dom0.world, sr, sum(len(own_blocks(chain, place)) for place in range(len(chain))) * storage.MIB * 2)
    lying = {
        uuid: note(sr_type, uuid, chain[place], len(own_blocks(chain, place)), parent, is_hidden=place > 0)
        for place, (uuid, parent) in enumerate(zip(uuids, [*uuids[1:], ""], strict=True))
    }
    kept = {uuid: vhd.disk for uuid, vhd in zip(uuids, chain, strict=True)}
    media.put(dom0.call, sr_type, dom0.world.uuid(sr), lying, kept)
    return {"root": {"uuid": uuids[0]}}


def own_blocks(chain: Chain, place: int) -> list[int]:
    """The blocks that a VHD of a chain has itself."""
    disk = chain[place].disk
    return disk.changed_since(chain[place + 1].disk) if place + 1 < len(chain) else disk.numbers()


def note(sr_type: str, uuid: str, vhd: Vhd, own_count: int, parent: str, *, is_hidden: bool) -> str:
    """What an SR's folder says of a file, which has so many blocks of its own; ``parent`` is a uuid, or "" for none."""
    chained = {"vhd-parent": parent} if parent else {}
    taken = storage.taken_bytes(sr_type, vhd.size, own_count * 2 * storage.MIB, is_deflated=is_hidden)
    written: dict[str, Any] = {
        "location": uuid, "virtual_size": vhd.size, "physical_utilisation": taken, "sm_config": {"vdi_type": "vhd", **chained},
        "managed": not is_hidden, "read_only": is_hidden, "cbt_enabled": False, "type": "user",
    }  # fmt: skip
    return msgspec.json.encode(written).decode()


def in_order(names: Iterator[str]) -> list[str]:
    """The VHDs of a staging folder, the leaf first; swap is left out, gaps are refused."""
    found = set(names) - {"swap.vhd"}
    numbers = sorted(int(name.removesuffix(".vhd")) for name in found if name.removesuffix(".vhd").isdecimal())
    if numbers != list(range(len(numbers))):
        raise PluginError(f"Corrupt image: VHDs {', '.join(map(str, numbers))} are no sequence from 0", "Exception")
    return [f"{number}.vhd" for number in numbers]
