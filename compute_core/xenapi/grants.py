"""What a host gives one server alone: processors, PCI devices, graphics cards. What is free is seen from the VMs that have the rest.

An operator says which devices may be given by the host's ``other_config``: ``inova-pci-ALIAS`` is a list of their addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.xenapi.boot import release_of
from compute_core.xenapi.certainty import all_of, any_of, certain
from compute_core.xenapi.place import Place
from compute_core.xenapi.quotas import cpu_set, own_cpus, wants_own_cpus, wants_vgpu
from compute_core.xenapi.records import Grants
from compute_core.xenapi.session import XenApi

PCI_ALIAS = "pci_passthrough:alias"
"""Extra spec: ``ALIAS:COUNT``, several with commas between them."""
VGPU_TYPE = "vgpu:type"
"""Extra spec: the model of the virtual card; without it, whichever the host has."""
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.IGNORECASE)

Record = Mapping[str, Any]


def has_wishes(flavor: Flavor) -> bool:
    """Whether its servers get something of the host that no other has: what is free must not change while they take it."""
    return wants_own_cpus(flavor) or bool(pci_wanted(flavor))


async def granted(xapi: XenApi, place: Place, flavor: Flavor) -> Grants:
    """What the VM's record says of it: no call for a flavor that asks for nothing, one or two for one that does. BuildFailed."""
    release, wanted = release_of(place.version), pci_wanted(flavor)
    if not has_wishes(flavor):
        return Grants(release)
    vms = await any_of(xapi, "VM", [("affinity", place.host), ("resident_on", place.host)])
    mask = own_cpus(flavor, place.vcpus, _taken_cpus(vms.values())) if wants_own_cpus(flavor) else ""
    if not wanted:
        return Grants(release, mask)
    marked = await xapi.call("host.get_other_config", place.host)
    return Grants(release, mask, pci_chosen(wanted, marked, set(_taken_devices(vms.values()))))


def _taken_cpus(vms: Iterable[Record]) -> set[int]:
    masks = (vm["VCPUs_params"].get("mask", "") for vm in vms if not vm["is_a_template"])
    return {cpu for mask in masks if re.fullmatch(r"\d+(,\d+)*", mask) for cpu in cpu_set(mask)}


def _taken_devices(vms: Iterable[Record]) -> Iterator[str]:
    for vm in vms:
        if not vm["is_a_template"]:
            yield from _ADDRESS.findall(vm["other_config"].get("pci", "").lower())


def pci_wanted(flavor: Flavor) -> dict[str, int]:
    """How many devices of each alias. BuildFailed for what cannot be meant."""
    wanted: dict[str, int] = {}
    for part in filter(None, flavor.extra_specs.get(PCI_ALIAS, "").split(",")):
        alias, _, count = part.strip().partition(":")
        if not alias or not (count or "1").isdigit():
            raise BuildFailed(f"The flavor's {PCI_ALIAS} {part!r} is no ALIAS:COUNT.", is_retryable=False)
        wanted[alias] = wanted.get(alias, 0) + int(count or "1")
    return wanted


def pci_chosen(wanted: Mapping[str, int], marked: Mapping[str, str], taken: set[str]) -> str:
    """The VM's ``other_config:pci``. BuildFailed, for this host alone, when too few are left."""
    chosen: list[str] = []
    for alias, count in wanted.items():
        listed = _ADDRESS.findall(marked.get(f"inova-pci-{alias}", "").lower())
        free = [address for address in dict.fromkeys(listed) if address not in taken and address not in chosen]
        if len(free) < count:
            raise BuildFailed(f"{count} PCI devices {alias} are wanted, {len(free)} are free.", is_retryable=True)
        chosen += free[:count]
    return ",".join(f"0/{address}" for address in chosen)


async def give_vgpus(xapi: XenApi, place: Place, vm: str, uuid: str, flavor: Flavor) -> None:
    """Virtual graphics cards: two calls, and one for each. BuildFailed, for this host alone, when it has none of that type."""
    count = wants_vgpu(flavor)
    if not count:
        return
    group, kind = _card(
        await xapi.call("GPU_group.get_all_records"),
        await xapi.call("VGPU_type.get_all_records"),
        flavor.extra_specs.get(VGPU_TYPE, ""),
        place.hostname,
    )
    for number in range(count):
        await _give(xapi, vm, group, kind, number, uuid)


async def _give(xapi: XenApi, vm: str, group: str, kind: str, number: int, uuid: str) -> None:
    async def there() -> str | None:
        vgpus = await all_of(xapi, "VGPU", {"VM": vm})
        return next((ref for ref, vgpu in vgpus.items() if int(vgpu["device"]) == number), None)

    await certain(xapi.call("VGPU.create", vm, group, str(number), {"inova-instance-uuid": uuid}, kind), there)


def _card(groups: Mapping[str, Record], kinds: Mapping[str, Record], model: str, hostname: str) -> tuple[str, str]:
    """A group and a type that it has."""
    for group, record in groups.items():
        for kind in record["enabled_VGPU_types"]:
            if record["PGPUs"] and (not model or kinds[kind]["model_name"] == model):
                return group, kind
    raise BuildFailed(f"{hostname} has no virtual graphics cards{f' of type {model}' if model else ''}.", is_retryable=True)
