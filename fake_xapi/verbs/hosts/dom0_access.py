"""Whether dom0 keeps a PCI device or leaves it to VMs: a request takes effect at the host's next boot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.hosts import dom0_files

Wish = Literal["enable", "disable"]
_FOLDER = "/sys/bus/pci/drivers/pciback/"
USUAL = "enabled"
_NEXT: Mapping[tuple[str, Wish], str] = {
    ("enabled", "enable"): "enabled",
    ("disable_on_reboot", "enable"): "enabled",
    ("disabled", "enable"): "enable_on_reboot",
    ("enable_on_reboot", "enable"): "enable_on_reboot",
    ("enabled", "disable"): "disable_on_reboot",
    ("disable_on_reboot", "disable"): "disable_on_reboot",
    ("disabled", "disable"): "disabled",
    ("enable_on_reboot", "disable"): "disabled",
}
_AFTER_BOOT: Mapping[str, str] = {"disable_on_reboot": "disabled", "enable_on_reboot": "enabled"}


def access_of(world: World, pci: Id) -> str:
    """The present state of a device."""
    row = world[pci]
    return dom0_files.read(world, _FOLDER + row["pci_id"], row["host"]) or USUAL


def ask_for(call: Call, pci: Id, wish: Wish) -> str:
    """Request a change of a device's access, and return the resulting state. The record of a graphics card shows the same."""
    access = _NEXT[access_of(call.world, pci), wish]
    with call.world.edit() as edit:
        _write(call.world, edit, pci, access)
    return access


def host_booted(world: World, edit: Edit, host: Id) -> None:
    """Put into effect what was requested before the host's boot."""
    for pci in edit[host]["PCIs"]:
        access = access_of(world, pci)
        if access in _AFTER_BOOT:
            _write(world, edit, pci, _AFTER_BOOT[access])


def _write(world: World, edit: Edit, pci: Id, access: str) -> None:
    row = edit[pci]
    dom0_files.write(world, edit, _FOLDER + row["pci_id"], access, row["host"])
    for pgpu in edit[row["host"]]["PGPUs"]:
        if edit[pgpu]["PCI"] == pci:
            edit.set(pgpu, dom0_access=access)
