"""The USB devices that dom0 sees: files of dom0, one for each plugged device, which a scan of the host reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import msgspec

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.hosts import dom0_files

_FOLDER = "/sys/bus/usb/devices/"


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One device, as its descriptors describe it; ``speed`` in Mbit/s."""

    path: str
    vendor_id: str
    product_id: str
    vendor_desc: str
    product_desc: str
    serial: str = ""
    version: str = "2.00"
    speed: float = 480.0

    @property
    def description(self) -> str:
        """The description for people."""
        return f"{self.vendor_desc}_{self.product_desc}_{self.serial}".rstrip("_")


def put_in(world: World, edit: Edit, host: Id, device: UsbDevice) -> None:
    """Plug a device into a host."""
    dom0_files.write(world, edit, _FOLDER + device.path, msgspec.json.encode(asdict(device)).decode(), host)


def take_out(world: World, edit: Edit, host: Id, path: str) -> None:
    """Unplug a device from a host."""
    dom0_files.remove(world, edit, _FOLDER + path, host)


def plugged(world: World, host: Id) -> Iterator[UsbDevice]:
    """The devices plugged into a host."""
    return (msgspec.json.decode(content, type=UsbDevice) for _, content in dom0_files.listed(world, _FOLDER, host))
