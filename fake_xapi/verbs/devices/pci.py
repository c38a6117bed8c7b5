"""The verbs of PCI."""

from __future__ import annotations

from collections.abc import Mapping

from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.hosts import dom0_access


def disable_dom0_access(call: Call, pci: Id) -> str:
    """Leave a device to VMs, from the next boot of the host on."""
    return dom0_access.ask_for(call, pci, "disable")


def enable_dom0_access(call: Call, pci: Id) -> str:
    """Give a device back to dom0, from the next boot of the host on."""
    return dom0_access.ask_for(call, pci, "enable")


def get_dom0_access_status(call: Call, pci: Id) -> str:
    """Whether dom0 may use a device."""
    return dom0_access.access_of(call.world, pci)


VERBS: Mapping[str, Verb] = {
    "PCI.disable_dom0_access": disable_dom0_access,
    "PCI.enable_dom0_access": enable_dom0_access,
    "PCI.get_dom0_access_status": get_dom0_access_status,
}
