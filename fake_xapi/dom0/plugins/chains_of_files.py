"""The plugins ``migration`` and ``workarounds``: VHDs go from a host to another, into an SR, and are copied within one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from fake_xapi.dom0.plugins import vhd_files
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.world import World

Moved = dict[str, dict[str, str]]


def transfer_vhd(dom0: Dom0, instance_uuid: str, host: str, vdi_uuid: str, sr_path: str, seq_num: int) -> None:
    """Copy a VHD of an SR to another host's folder of images; PluginError when nobody answers there."""
    [vhd] = vhd_files.chain_in(dom0, sr_path, [vdi_uuid])
    world, disks, target = _host_at(dom0, host)
    path = f"{world.uuid(target)}:{_image(instance_uuid, seq_num)}"
    with world.edit() as edit:
        file = next(iter(world.named("dom0_vhd", path)), NULL) or edit.create("dom0_vhd", path=path)
        edit.set(file, size=vhd.size)
    disks.put(file, vhd.disk)


def _host_at(dom0: Dom0, address: str) -> tuple[World, Any, Id]:
    """A host by its address or name: of this pool, or of another in this process."""
    for host, row in dom0.world.rows("host"):
        if address in (row["address"], row["hostname"], row["name_label"]):
            return dom0.world, dom0.call.disks, host
    neighbour = dom0.call.machines.neighbour(address)
    if neighbour is None:
        raise PluginError(f"rsync: failed to connect to {address}: No route to host (113)", "Exception")
    return neighbour.world, neighbour.disks, neighbour.host


def _image(label: str, place: int) -> str:
    return f"/images/instance{label}/{place}.vhd"


def move_vhds_into_sr(dom0: Dom0, instance_uuid: str, sr_path: str, uuid_stack: list[str]) -> Moved:
    """Move what was transferred for an instance into an SR. Returns ``{"root": {"uuid": ...}}`` of the leaf."""
    files = _transferred(dom0, instance_uuid)
    moved = vhd_files.move_into(dom0, sr_path, [vhd_files.content(dom0, file) for file in files], uuid_stack)
    for file in files:
        vhd_files.unstage(dom0.call, file)
    return moved


def _transferred(dom0: Dom0, label: str) -> list[Id]:
    found: list[Id] = []
    for place in count():
        file = vhd_files.find(dom0, _image(label, place))
        if not file:
            return found
        found.append(file)
    return found


def safe_copy_vdis(dom0: Dom0, sr_path: str, vdi_uuids: Sequence[str], uuid_stack: list[str]) -> Moved:
    """Copy the files of a chain, the leaf first, under other names. Returns ``{"root": {"uuid": ...}}`` of the new leaf."""
    return vhd_files.move_into(dom0, sr_path, vhd_files.chain_in(dom0, sr_path, vdi_uuids), uuid_stack)
