"""Virtual functions of NICs: the rows of PCI that exist while SR-IOV is enabled, and which VM has which of them."""

from __future__ import annotations

from fake_xapi.lifecycle.rules import Rows
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.networks import nics
from fake_xapi.verbs.networks.pif_kinds import local_pif, sriov_under


def needs_functions(edit: Edit, pif: Id) -> bool:
    """Whether an interface represents virtual functions that do not exist yet."""
    row = edit[pif]
    return bool(row["sriov_logical_PIF_of"]) and not row["currently_attached"]


def has_functions(edit: Edit, pif: Id) -> bool:
    """Whether an interface represents virtual functions that exist."""
    row = edit[pif]
    return bool(row["sriov_logical_PIF_of"]) and row["currently_attached"]


def bring_up(call: Call, edit: Edit, pif: Id) -> None:
    """Enable SR-IOV: the NIC's driver creates the functions at once ("sysfs")."""
    sriov = edit[pif]["sriov_logical_PIF_of"][0]
    nic = edit[edit[sriov]["physical_PIF"]]
    edit.set(sriov, configuration_mode="sysfs", requires_reboot=False)
    if not nic["PCI"]:
        return
    physical = edit[nic["PCI"]]
    count = nics.virtual_functions(call.world, nic["host"], nic["device"])
    same = ("class_id", "class_name", "vendor_id", "vendor_name", "device_id", "host", "driver_name")
    for number in range(count):
        edit.create(
            "PCI",
            physical_function=nic["PCI"],
            pci_id=_function_address(physical["pci_id"], number),
            device_name=f"{physical['device_name']} Virtual Function",
            **{field: physical[field] for field in same},
        )
    edit.set(nic["PCI"], functions=1 + count)


def _function_address(physical: str, number: int) -> str:
    """The PCI address of a function: from slot 10 of its NIC on, eight to a slot."""
    slot, function = divmod(number, 8)
    return f"{physical.rpartition(':')[0]}:{0x10 + slot:02x}.{function}"


def bring_down(_call: Call, edit: Edit, pif: Id) -> None:
    """Disable SR-IOV: the functions are removed."""
    sriov = edit[pif]["sriov_logical_PIF_of"][0]
    pci: Id = edit[edit[sriov]["physical_PIF"]]["PCI"]
    edit.set(sriov, requires_reboot=False)
    if not pci:
        return
    for function in edit[pci]["virtual_functions"]:
        edit.destroy(function)
    edit.set(pci, functions=1)


def idle_functions(rows: Rows, sriov: Id) -> list[Id]:
    """The functions of a network_sriov that no VM has."""
    pci = rows.get(rows[rows[sriov]["physical_PIF"]]["PCI"])
    functions: tuple[Id, ...] = pci["virtual_functions"] if pci is not None else ()
    return [each for each in functions if not rows[each]["attached_VMs"] and not rows[each]["scheduled_to_be_attached_to"]]


def sriov_of(rows: Rows, network: Id, host: Id) -> Id:
    """The network_sriov through which a host reaches a network; NULL when it does so otherwise or not at all."""
    pif = local_pif(rows, network, host)
    return sriov_under(rows, pif) if pif else 0


def short_network(world: World, vm: Id, host: Id) -> Id:
    """The first network of virtual functions on which a host has too few left for a VM; NULL when it has enough."""
    wanted: dict[Id, int] = {}
    for vif in world[vm]["VIFs"]:
        network: Id = world[vif]["network"]
        sriov = sriov_of(world, network, host)
        if sriov:
            wanted[sriov] = wanted.get(sriov, 0) + 1
            if wanted[sriov] > len(idle_functions(world, sriov)):
                return network
    return 0
