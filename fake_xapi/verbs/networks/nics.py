"""The NICs of a host as its dom0 sees them: those with a PIF, and those that were added or whose PIF was forgotten.

What the kernel knows beside XAPI's database is kept in files of dom0: addresses of NICs without a PIF, cables that are out, VLANs that
nobody has a PIF for, and how many virtual functions a NIC can have.
"""

from __future__ import annotations

from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.hosts import dom0_files

_NET = "/sys/class/net/"
_VLANS = "/proc/net/vlan/"


def nics(world: World, host: Id) -> dict[str, str]:
    """The MAC address of every NIC of a host, by the name of its device."""
    pifs = (world[pif] for pif in world[host]["PIFs"])
    found = {row["device"]: row["MAC"] for row in pifs if row["physical"]}
    for path, content in dom0_files.listed(world, _NET, host):
        device, _, entry = path.partition("/")
        if entry == "address":
            found[device] = content
    return found


def put_in(world: World, edit: Edit, host: Id, device: str, mac: str) -> None:
    """Add a NIC to a host, whether it has a PIF or not."""
    dom0_files.write(world, edit, f"{_NET}{device}/address", mac.lower(), host)


def has_cable(world: World, host: Id, device: str) -> bool:
    """Whether something is at the other end of a NIC's cable."""
    return dom0_files.read(world, f"{_NET}{device}/carrier", host) != "0"


def set_cable(world: World, edit: Edit, host: Id, device: str, *, is_in: bool) -> None:
    """Pull or plug a NIC's cable."""
    path = f"{_NET}{device}/carrier"
    if is_in:
        dom0_files.remove(world, edit, path, host)
    else:
        dom0_files.write(world, edit, path, "0", host)


def has_stray_vlan(world: World, host: Id, device: str, tag: int) -> bool:
    """Whether the kernel has a VLAN that is unknown to XAPI."""
    return bool(dom0_files.find(world, f"{_VLANS}{device}.{tag}", host))


def leave_vlan(world: World, edit: Edit, host: Id, device: str, tag: int) -> None:
    """Leave a VLAN in the kernel that XAPI forgets."""
    dom0_files.write(world, edit, f"{_VLANS}{device}.{tag}", "", host)


def virtual_functions(world: World, host: Id, device: str) -> int:
    """The number of virtual functions that a NIC supports."""
    return int(dom0_files.read(world, f"{_NET}{device}/device/sriov_totalvfs", host) or 0)


def set_virtual_functions(world: World, edit: Edit, host: Id, device: str, count: int) -> None:
    """Set the number of virtual functions that a NIC of the host supports."""
    dom0_files.write(world, edit, f"{_NET}{device}/device/sriov_totalvfs", str(count), host)
