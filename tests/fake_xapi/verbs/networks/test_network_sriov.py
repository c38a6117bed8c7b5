"""Virtual functions: every refusal in its order, what they are, and which VMs get them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fake_xapi.verbs.networks import nics
from tests.fake_xapi.verbs.kit.hosts import QOS, Host, over_host
from tests.fake_xapi.verbs.kit.networks import (
    addressed,
    bond,
    fields_of,
    management,
    network,
    nic,
    open_switches,
    second_host,
    set_pool,
    vlan,
)


async def capable(host: Host, number: int = 1, functions: int = 2, ref: str = "", **model: str) -> str:
    """A NIC that can have virtual functions."""
    where = ref or host.host
    with host.world.edit() as edit:
        nics.set_virtual_functions(host.world, edit, host.id(where), f"eth{number}", functions)
    pci = host.kit.made(
        "PCI", host=host.id(where), class_id="0200", pci_id=f"0000:0{number}:00.0", device_name="X540", vendor_id="8086",
        **{"device_id": "1528", **model},
    )  # fmt: skip
    if ref:
        return host.world.ref(next(pif for pif in host.row(ref)["PIFs"] if host.world[pif]["device"] == f"eth{number}"))
    return await nic(host, number, PCI=pci)


async def sriov(host: Host, pif: str, on: str = "") -> tuple[str, str]:
    """SR-IOV on a NIC, on a network of its own; and the PIF that stands for the functions."""
    made = str(await host.call("network_sriov.create", pif, on or await network(host)))
    return made, host.world.ref(host.row(made)["logical_PIF"])


Arrange = Callable[[Host], Awaitable[tuple[list[str], list[str]]]]


async def _restricted(host: Host) -> tuple[list[str], list[str]]:
    set_pool(host, restrictions={"restrict_network_sriov": "true"})
    return [await nic(host, 1, managed=False), host.network], ["LICENCE_RESTRICTION", "Network_sriov"]


async def _unmanaged_network(host: Host) -> tuple[list[str], list[str]]:
    made = host.kit.make("network", managed=False)
    return [await nic(host, 1, managed=False), made], ["NETWORK_UNMANAGED", made]


async def _unmanaged(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1, managed=False)
    return [pif, host.network], ["PIF_UNMANAGED", pif]


async def _no_nic(host: Host) -> tuple[list[str], list[str]]:
    _, pif = await bond(host, await nic(host, 1))
    return [pif, host.network], ["PIF_IS_NOT_PHYSICAL", pif]


async def _twice(host: Host) -> tuple[list[str], list[str]]:
    pif = await capable(host)
    await sriov(host, pif)
    return [pif, host.network], ["NETWORK_SRIOV_ALREADY_ENABLED", pif]


async def _incapable(host: Host) -> tuple[list[str], list[str]]:
    pif = await nic(host, 1)
    return [pif, host.network], ["PIF_IS_NOT_SRIOV_CAPABLE", pif]


async def _connected(host: Host) -> tuple[list[str], list[str]]:
    return [await capable(host), host.network], ["NETWORK_ALREADY_CONNECTED", host.host, management(host)]


async def _with_others(host: Host) -> tuple[list[str], list[str]]:
    pif, other = await capable(host), await second_host(host)
    made = await network(host)
    there = host.world.ref(host.row(other)["PIFs"][1])
    await host.call("VLAN.create", there, "7", made)
    return [pif, made], ["NETWORK_INCOMPATIBLE_WITH_SRIOV", made]


async def _with_another_model(host: Host) -> tuple[list[str], list[str]]:
    pif, other = await capable(host), await second_host(host)
    there = await capable(host, ref=other, device_id="154d")
    host.set(there, capabilities=("sriov",), PCI=max(host.world.ids("PCI")))
    _, logical = await sriov(host, there)
    made = host.world.ref(host.row(logical)["network"])
    return [pif, made], ["NETWORK_HAS_INCOMPATIBLE_SRIOV_PIFS", pif, made]


@pytest.mark.parametrize(
    "arrange",
    [_restricted, _unmanaged_network, _unmanaged, _no_nic, _twice, _incapable, _connected, _with_others, _with_another_model],
)
def test_sriov_is_refused(arrange: Arrange) -> None:
    async def body(host: Host) -> None:
        given, refusal = await arrange(host)
        before = host.world.generation
        assert await host.refused("network_sriov.create", *given) == refusal
        assert host.world.generation == before

    over_host(body)


def test_functions_come_and_go_with_their_interface() -> None:
    async def body(host: Host) -> None:
        pif = await capable(host)
        made, logical = await sriov(host, pif)
        assert fields_of(host, made, "physical_PIF", "logical_PIF", "requires_reboot", "configuration_mode") == (
            host.id(pif),
            host.id(logical),
            False,
            "sysfs",
        )
        names = ("device", "MAC", "physical", "currently_attached", "VLAN", "properties")
        assert fields_of(host, logical, *names) == ("eth1", "fe:ff:ff:ff:ff:ff", False, True, -1, {})
        pci = host.world[host.row(pif)["PCI"]]
        assert (pci["functions"], [host.world[each]["pci_id"] for each in pci["virtual_functions"]]) == (
            3,
            ["0000:01:10.0", "0000:01:10.1"],
        )
        assert await host.call("network_sriov.get_remaining_capacity", made) == 2
        await host.call("PIF.unplug", pif)
        assert fields_of(host, logical, "currently_attached") == (False,)
        assert await host.call("network_sriov.get_remaining_capacity", made) == 0
        await host.call("PIF.plug", logical)
        assert fields_of(host, pif, "currently_attached") == (True,)
        _, tagged = await vlan(host, logical)
        assert await host.refused("network_sriov.destroy", made) == ["PIF_VLAN_STILL_EXISTS", logical]
        await host.call("PIF.destroy", tagged)
        await host.call("network_sriov.destroy", made)
        counts = {cls: host.world.count(cls) for cls in ("network_sriov", "PIF", "PCI", "PIF_metrics")}
        assert counts == {"network_sriov": 0, "PIF": 2, "PCI": 1, "PIF_metrics": 1}

    over_host(body)


def test_what_lies_on_functions_goes_with_them() -> None:
    async def body(host: Host) -> None:
        pif = await capable(host)
        _, logical = await sriov(host, pif)
        _, tagged = await vlan(host, logical)
        await host.call("PIF.unplug", logical)
        assert fields_of(host, tagged, "currently_attached") == (False,)
        await host.call("PIF.plug", tagged)
        assert fields_of(host, logical, "currently_attached") == (True,)
        assert await host.refused("PIF.forget", pif) == ["PIF_SRIOV_STILL_EXISTS", pif]

    over_host(body)


REFUSED_ON_FUNCTIONS: list[tuple[str, bool, str]] = [
    ("tunnel.create", False, "CANNOT_ADD_TUNNEL_TO_SRIOV_LOGICAL"),
    ("tunnel.create", True, "CANNOT_ADD_TUNNEL_TO_VLAN_ON_SRIOV_LOGICAL"),
]


@pytest.mark.parametrize(("message", "is_tagged", "code"), REFUSED_ON_FUNCTIONS)
def test_functions_carry_no_tunnels(message: str, is_tagged: bool, code: str) -> None:
    async def body(host: Host) -> None:
        _, pif = await sriov(host, await capable(host))
        if is_tagged:
            _, pif = await vlan(host, pif)
        assert await host.refused(message, pif, await network(host)) == [code, pif]

    over_host(body)


def test_functions_are_no_members_of_a_bond_but_their_nic_is() -> None:
    async def body(host: Host) -> None:
        pif = await capable(host)
        made, logical = await sriov(host, pif)
        assert await host.refused("Bond.create", await network(host), [logical], "") == ["PIF_IS_SRIOV_LOGICAL", logical]
        _, master = await bond(host, pif)
        await host.call("PIF.unplug", master)
        assert fields_of(host, logical, "currently_attached") == (False,)
        await host.call("PIF.plug", logical)
        assert fields_of(host, master, "currently_attached") == (True,)
        assert await host.call("network_sriov.get_remaining_capacity", made) == 2

    over_host(body)


async def _refusals_of_the_network(host: Host, made: str) -> list[list[str]]:
    other = await second_host(host)
    open_switches(host)
    there = await addressed(host, host.world.ref(host.row(other)["PIFs"][1]))
    return [
        await host.refused("VLAN.create", there, "7", made),
        await host.refused("tunnel.create", there, made),
        await host.refused("Bond.create", made, [there], ""),
    ]


def test_a_network_of_functions_takes_nothing_else() -> None:
    async def body(host: Host) -> None:
        _, logical = await sriov(host, await capable(host))
        made = host.world.ref(host.row(logical)["network"])
        assert await _refusals_of_the_network(host, made) == [
            ["NETWORK_INCOMPATIBLE_WITH_VLAN_ON_BRIDGE", made],
            ["NETWORK_INCOMPATIBLE_WITH_TUNNEL", made],
            ["NETWORK_INCOMPATIBLE_WITH_BOND", made],
        ]

    over_host(body)


async def _there(host: Host, **model: Any) -> str:
    """The PIF of another host's functions."""
    other = await second_host(host)
    there = await capable(host, ref=other, **model)
    host.set(there, capabilities=("sriov",), PCI=max(host.world.ids("PCI")))
    return (await sriov(host, there))[1]


@pytest.mark.parametrize(
    ("model", "is_on_bridge", "code"),
    [({}, True, "NETWORK_INCOMPATIBLE_WITH_VLAN_ON_SRIOV"), ({"device_id": "x"}, False, "NETWORK_HAS_INCOMPATIBLE_VLAN_ON_SRIOV_PIFS")],
)
def test_a_vlan_on_functions_shares_its_network_with_its_like(model: dict[str, str], is_on_bridge: bool, code: str) -> None:
    async def body(host: Host) -> None:
        here, there = await capable(host), await _there(host, **model)
        logical = here if is_on_bridge else (await sriov(host, here))[1]
        _, tagged = await vlan(host, logical)
        made = host.world.ref(host.row(tagged)["network"])
        expected = [code, made] if is_on_bridge else [code, there, made]
        assert await host.refused("VLAN.create", there, "7", made) == expected

    over_host(body)


def test_vlans_on_functions_of_one_model_share_a_network() -> None:
    async def body(host: Host) -> None:
        here, there = await capable(host), await _there(host)
        _, tagged = await vlan(host, (await sriov(host, here))[1])
        shared = host.row(tagged)["network"]
        made = await host.call("VLAN.create", there, "7", host.world.ref(shared))
        assert host.world[host.row(made)["untagged_PIF"]]["network"] == shared

    over_host(body)


def test_a_vm_has_a_function_while_it_runs() -> None:
    async def body(host: Host) -> None:
        pif = await capable(host)
        made, logical = await sriov(host, pif)
        on = host.world.ref(host.row(logical)["network"])
        vms = [await host.vm() for _ in range(3)]
        vifs = [await host.vif(vm, network=on) for vm in vms]
        for vm in vms[:2]:
            await host.call("VM.start", vm, False, False)
        functions = host.world[host.row(pif)["PCI"]]["virtual_functions"]
        assert [host.row(vif)["reserved_pci"] for vif in vifs] == [*functions, 0]
        assert [host.row(vm)["attached_PCIs"] for vm in vms] == [(functions[0],), (functions[1],), ()]
        assert await host.call("network_sriov.get_remaining_capacity", made) == 0
        refusal = ["NETWORK_SRIOV_INSUFFICIENT_CAPACITY", on]
        assert await host.refused("VM.start_on", vms[2], host.host, False, False) == refusal
        assert await host.refused("VIF.unplug", vifs[0]) == ["OPERATION_NOT_ALLOWED", "Network SR-IOV VIF plug/unplug not allowed"]
        assert await host.refused("network_sriov.destroy", made) == ["VIF_IN_USE", on, vifs[0]]
        await host.call("VM.hard_reboot", vms[0])
        assert fields_of(host, vifs[0], "reserved_pci") == (functions[0],)
        await host.call("VM.hard_shutdown", vms[0])
        assert fields_of(host, vifs[0], "reserved_pci") == (0,)
        await host.call("VM.start", vms[2], False, False)
        assert fields_of(host, vifs[2], "reserved_pci") == (functions[0],)

    over_host(body)


def test_a_vif_on_functions_needs_a_licence() -> None:
    async def body(host: Host) -> None:
        _, logical = await sriov(host, await capable(host))
        vm, on = await host.vm(), host.world.ref(host.row(logical)["network"])
        set_pool(host, restrictions={"restrict_network_sriov": "true"})
        refusal = ["LICENCE_RESTRICTION", "Network_sriov"]
        assert await host.refused("VIF.create", {"VM": vm, "network": on, "device": "0", "MAC": "", "MTU": "1500", **QOS}) == refusal

    over_host(body)
