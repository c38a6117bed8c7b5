"""Hosts with graphics cards, and VMs that want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fake_xapi.verbs.kit.hosts import Host

SIZE = 1_048_576
"""What a physical card has, in units of its own."""


@dataclass(slots=True)
class Cards:
    """A group of physical cards, their PCI devices, and the types of virtual cards that they can be."""

    group: str
    pgpus: list[str]
    pcis: list[str]
    whole: str
    half: str
    quarter: str


def cards(host: Host, count: int = 2, ref: str = "", group: str = "") -> Cards:
    """Cards of one model in a host; halves and quarters of one do not mix, and a guest takes two quarters."""
    made = host.kit.made
    whole = made("VGPU_type", implementation="passthrough", model_name="passthrough")
    half, quarter = (
        made("VGPU_type", implementation="nvidia", model_name=name, size=SIZE // share) for name, share in (("H", 2), ("Q", 4))
    )
    types = (whole, half, quarter)
    with host.world.edit() as edit:
        edit.set(half, compatible_types_on_pgpu=(half,))
        edit.set(quarter, compatible_types_on_pgpu=(quarter,), compatible_types_in_vm=(quarter,))
    where = host.id(ref or host.host)
    host.set(host.world.ref(where), chipset_info={"iommu": "true"})
    group_id = host.id(group) if group else made("GPU_group", allocation_algorithm="depth_first", GPU_types=("10de/0ff2",))
    pcis = [
        made("PCI", host=where, pci_id=f"0000:{8 + n:02x}:00.0", class_id="0300", vendor_id="10de", device_id="0ff2") for n in range(count)
    ]
    pgpus = [
        made("PGPU", host=where, PCI=pci, GPU_group=group_id, size=SIZE, supported_VGPU_types=types, enabled_VGPU_types=types)
        for pci in pcis
    ]
    ref_of = host.world.ref
    return Cards(ref_of(group_id), [ref_of(each) for each in pgpus], [ref_of(each) for each in pcis], *(ref_of(each) for each in types))


async def vm_with(host: Host, made: Cards, *types: str, **fields: Any) -> tuple[str, list[str]]:
    """A VM with cards of these types."""
    vm = await host.vm(**fields)
    return vm, [str(await host.call("VGPU.create", vm, made.group, "0", {}, each)) for each in types]
