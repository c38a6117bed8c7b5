"""Disks of a host for the tests of plugins: an SR's folder, chains in it, and the bytes of its disks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.fake_xapi.verbs.kit.hosts import MIB, Host

BLOCK = 2 * MIB
SIZE = 64 * MIB
UUIDS = [str(UUID(int=number, version=4)) for number in range(1, 17)]


def filled(text: bytes) -> bytes:
    """A block that begins with a text."""
    return text.ljust(BLOCK, b"\0")


def folder(host: Host) -> str:
    """Where the disks of the host's SR are files."""
    return f"/var/run/sr-mount/{host.world.uuid(host.id(host.sr))}"


def vdi_of(host: Host, uuid: str) -> Any:
    """The row of a VDI."""
    return host.world[host.world.by_uuid("VDI", uuid)]


def read_block(host: Host, uuid: str, number: int) -> bytes:
    """What a block of a VDI begins with."""
    return host.kit.xapi.disks.read(host.world.by_uuid("VDI", uuid), number * BLOCK, BLOCK).rstrip(b"\0")


async def chain(host: Host) -> list[str]:
    """A disk with a base: its uuids, the leaf first."""
    vdi = await host.disk(SIZE)
    host.write(vdi, 0, filled(b"base"))
    await host.call("VDI.snapshot", vdi, {})
    host.write(vdi, BLOCK, filled(b"leaf"))
    return [host.world.uuid(host.id(vdi)), host.row(vdi)["sm_config"]["vhd-parent"]]
