"""Bonds: every refusal in its order, what one is made of, what moves to it and back, and its modes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import (
    addressed,
    bond,
    fields_of,
    management,
    network,
    nic,
    second_host,
    set_pool,
    tunnel,
    vlan,
)

Given = tuple[str, list[str], str, str, dict[str, str]]
Arrange = Callable[[Host], Awaitable[tuple[Given, list[str]]]]
"""What to give to ``Bond.create``, and the refusal."""


async def _given(host: Host, *members: str, on: str = "", mac: str = "", mode: str = "balance-slb", **properties: str) -> Given:
    return on or await network(host), list(members), mac, mode, {name.replace("_", "-"): text for name, text in properties.items()}


async def _none(host: Host) -> tuple[Given, list[str]]:
    return await _given(host, on=host.network), ["PIF_BOND_NEEDS_MORE_MEMBERS"]


async def _unmanaged_network(host: Host) -> tuple[Given, list[str]]:
    made = host.kit.make("network", managed=False)
    return await _given(host, await nic(host, 1), on=made, mac="x"), ["NETWORK_UNMANAGED", made]


async def _connected(host: Host) -> tuple[Given, list[str]]:
    given = await _given(host, await nic(host, 1), on=host.network, mac="x")
    return given, ["NETWORK_ALREADY_CONNECTED", host.host, management(host)]


async def _bad_mac(host: Host) -> tuple[Given, list[str]]:
    return await _given(host, await nic(host, 1), mac="x", lacp_time="never"), ["MAC_INVALID", "x"]


async def _unknown_property(host: Host) -> tuple[Given, list[str]]:
    given = await _given(host, management(host), await nic(host, 1, primary_address_type="IPv6"), lacp_time="slow")
    return given, ["INVALID_VALUE", "properties", "lacp-time = slow"]


async def _bad_property(host: Host) -> tuple[Given, list[str]]:
    given = await _given(host, await nic(host, 1), mode="lacp", lacp_time="never")
    return given, ["INVALID_VALUE", "properties", "lacp-time = never"]


async def _two_families(host: Host) -> tuple[Given, list[str]]:
    six = await nic(host, 1, primary_address_type="IPv6", managed=False)
    return await _given(host, management(host), six), ["PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE", six]


async def _unmanaged(host: Host) -> tuple[Given, list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    host.set(pif, managed=False)
    return await _given(host, pif), ["PIF_UNMANAGED", pif]


async def _bonded(host: Host) -> tuple[Given, list[str]]:
    pif = await nic(host, 1)
    await bond(host, pif)
    return await _given(host, await nic(host, 2), pif), ["PIF_ALREADY_BONDED", pif]


async def _tagged(host: Host) -> tuple[Given, list[str]]:
    _, pif = await vlan(host, await nic(host, 1))
    return await _given(host, pif), ["PIF_VLAN_EXISTS", "eth1"]


async def _tunnelled(host: Host) -> tuple[Given, list[str]]:
    _, pif = await tunnel(host, await addressed(host, await nic(host, 1)))
    return await _given(host, pif), ["IS_TUNNEL_ACCESS_PIF", pif]


async def _management_under_ha(host: Host) -> tuple[Given, list[str]]:
    set_pool(host, ha_enabled=True)
    return await _given(host, management(host), await nic(host, 1)), ["HA_CANNOT_CHANGE_BOND_STATUS_OF_MGMT_IFACE"]


async def _two_hosts(host: Host) -> tuple[Given, list[str]]:
    here, other = await nic(host, 1), await second_host(host)
    there = host.world.ref(host.row(other)["PIFs"][1])
    host.set(there, properties={"gro": "off"})
    return await _given(host, here, there), ["PIF_CANNOT_BOND_CROSS_HOST"]


async def _two_kinds(host: Host) -> tuple[Given, list[str]]:
    first, second = await addressed(host, await nic(host, 1)), await addressed(host, await nic(host, 2))
    await host.call("PIF.set_property", second, "gro", "off")
    return await _given(host, first, second), ["INCOMPATIBLE_PIF_PROPERTIES"]


async def _two_addresses(host: Host) -> tuple[Given, list[str]]:
    first, second = await addressed(host, await nic(host, 1)), await addressed(host, await nic(host, 2))
    return await _given(host, first, second), ["PIF_BOND_MORE_THAN_ONE_IP"]


IN_EVERY_ERA: tuple[Arrange, ...] = (_none, _connected, _bad_mac, _bonded, _tagged, _two_hosts)
SINCE_TAMPA: tuple[Arrange, ...] = (*IN_EVERY_ERA, _unknown_property, _tunnelled, _management_under_ha)
MODERN: tuple[Arrange, ...] = (*(*SINCE_TAMPA, _unmanaged_network, _bad_property, _two_families, _unmanaged, _two_kinds, _two_addresses),)
ROWS = [("boston", row) for row in IN_EVERY_ERA] + [("clearwater", row) for row in SINCE_TAMPA] + [("latest", row) for row in MODERN]


@pytest.mark.parametrize(("release", "arrange"), ROWS)
def test_a_bond_is_refused(release: str, arrange: Arrange) -> None:
    async def body(host: Host) -> None:
        given, refusal = await arrange(host)
        before = host.world.generation
        params = given[:4] if release == "boston" else given
        assert await host.refused("Bond.create", *params) == refusal
        assert host.world.generation == before

    over_host(body, release)


def test_a_bond_is_one_interface_made_of_several() -> None:
    async def body(host: Host) -> None:
        first, second = await nic(host, 1), await nic(host, 2)
        on = await network(host, MTU="9000")
        made, master = await bond(host, first, second, first, on=on)
        names: tuple[str, ...] = (
            "device",
            "device_name",
            "MAC",
            "physical",
            "currently_attached",
            "MTU",
            "VLAN",
            "network",
            "properties",
            "management",
        )
        shown: tuple[Any, ...] = ("bond0", "bond0", "02:00:00:00:00:01", False, True, 9000, -1, host.id(on), {"gro": "on"}, False)
        assert fields_of(host, master, *names) == shown
        names = ("master", "slaves", "primary_slave", "mode", "properties", "links_up", "auto_update_mac")
        shown = (host.id(master), (host.id(first), host.id(second)), host.id(first), "balance-slb", {}, 2, True)
        assert fields_of(host, made, *names) == shown
        assert fields_of(host, host.world.ref(host.row(master)["metrics"]), "carrier", "speed") == (True, 20_000)
        _, third = await bond(host, await nic(host, 3))
        assert fields_of(host, third, "device") == ("bond1",)

    over_host(body)


def test_a_bond_with_an_address_of_its_own_keeps_it() -> None:
    async def body(host: Host) -> None:
        made = await host.call("Bond.create", await network(host), [await nic(host, 1)], "02:00:00:00:00:99")
        assert fields_of(host, host.world.ref(host.row(made)["master"]), "MAC") == ("02:00:00:00:00:99",)
        assert fields_of(host, made, "auto_update_mac") == (False,)

    over_host(body)


@pytest.mark.parametrize("wins", ["management", "address", "first"])
def test_the_primary_member(wins: str) -> None:
    async def body(host: Host) -> None:
        first, second = await nic(host, 1), await nic(host, 2)
        host.set(management(host), properties={"gro": "on"})
        members = [first, second, *([management(host)] if wins == "management" else [])]
        if wins == "address":
            await addressed(host, second)
        made, _ = await bond(host, *members)
        expected = {"management": members[-1], "address": second, "first": first}[wins]
        assert fields_of(host, made, "primary_slave") == (host.id(expected),)

    over_host(body)


async def _loaded(host: Host) -> tuple[str, str, str, str, str]:
    """Two NICs; the first has an address, a VLAN that is up, a tunnel, and a running VM on its network and on the VLAN's."""
    first, second = await nic(host, 1), await nic(host, 2)
    await addressed(host, first)
    _, tagged = await vlan(host, first, 7)
    _, access = await tunnel(host, first)
    vm = await host.vm()
    await host.vif(vm, network=host.world.ref(host.row(first)["network"]))
    await host.vif(vm, "1", network=host.world.ref(host.row(tagged)["network"]))
    await host.call("VM.start", vm, False, False)
    return first, second, vm, host.world.ref(host.row(tagged)["network"]), host.world.ref(host.row(access)["network"])


def _on(host: Host, network_ref: str) -> Any:
    """The only PIF on a network."""
    (pif,) = host.row(network_ref)["PIFs"]
    return host.world[pif]


def test_what_the_members_have_moves_to_the_bond_and_back() -> None:
    async def body(host: Host) -> None:
        first, second, vm, tagged, private = await _loaded(host)
        host.set(second, disallow_unplug=True)
        own = host.row(first)["network"]
        on = await network(host)
        made, master = await bond(host, first, second, on=on)
        assert fields_of(host, master, "ip_configuration_mode", "IP", "disallow_unplug") == ("Static", "10.0.0.9", True)
        assert fields_of(host, first, "ip_configuration_mode", "IP") == ("None", "")
        assert fields_of(host, second, "disallow_unplug") == (False,)
        assert (_on(host, tagged)["device"], _on(host, tagged)["VLAN"], _on(host, tagged)["currently_attached"]) == ("bond0", 7, True)
        assert fields_of(host, master, "VLAN_slave_of") == ((next(host.world.ids("VLAN")),),)
        assert (_on(host, private)["device"], _on(host, private)["currently_attached"]) == ("tunnel1", True)
        assert host.world[next(host.world.ids("tunnel"))]["transport_PIF"] == host.id(master)
        assert [host.world[vif]["network"] for vif in host.row(vm)["VIFs"]] == [host.id(on), host.id(tagged)]

        await host.call("Bond.destroy", made)
        assert fields_of(host, first, "ip_configuration_mode", "IP", "disallow_unplug", "currently_attached") == (
            "Static",
            "10.0.0.9",
            True,
            True,
        )
        assert fields_of(host, second, "bond_slave_of", "currently_attached") == (0, True)
        assert (_on(host, tagged)["device"], _on(host, tagged)["currently_attached"]) == ("eth1", True)
        assert host.world[next(host.world.ids("tunnel"))]["transport_PIF"] == host.id(first)
        assert [host.world[vif]["network"] for vif in host.row(vm)["VIFs"]] == [own, host.id(tagged)]
        counts = {cls: host.world.count(cls) for cls in ("Bond", "VLAN", "tunnel", "PIF", "PIF_metrics")}
        assert counts == {"Bond": 0, "VLAN": 1, "tunnel": 1, "PIF": 5, "PIF_metrics": 2}

    over_host(body)


def test_management_moves_with_its_interface() -> None:
    async def body(host: Host) -> None:
        host.set(management(host), properties={"gro": "on"}, IP="10.0.0.1", ip_configuration_mode="Static", MAC="02:00:00:00:00:00")
        pif, second = management(host), await nic(host, 1)
        made, master = await bond(host, second, pif)
        assert fields_of(host, master, "management", "IP", "MAC") == (True, "10.0.0.1", "02:00:00:00:00:00")
        assert fields_of(host, pif, "management") == (False,)
        assert await host.call("host.get_management_interface", host.host) == master
        set_pool(host, ha_enabled=True)
        assert await host.refused("Bond.destroy", made) == ["HA_CANNOT_CHANGE_BOND_STATUS_OF_MGMT_IFACE"]
        set_pool(host, ha_enabled=False)
        await host.call("Bond.destroy", made)
        assert fields_of(host, pif, "management", "IP") == (True, "10.0.0.1")
        assert fields_of(host, host.host, "address") == ("10.0.0.1",)

    over_host(body)


def test_management_on_a_vlan_moves_with_the_vlan() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        _, tagged = await vlan(host, pif)
        await addressed(host, tagged, "10.7.0.1")
        await host.call("host.management_reconfigure", tagged)
        network_ref = host.world.ref(host.row(tagged)["network"])
        await bond(host, pif)
        assert (_on(host, network_ref)["management"], _on(host, network_ref)["IP"]) == (True, "10.7.0.1")
        assert fields_of(host, host.host, "address") == ("10.7.0.1",)

    over_host(body)


def test_a_tag_that_two_members_have_is_one_vlan() -> None:
    async def body(host: Host) -> None:
        first, second = await nic(host, 1), await nic(host, 2)
        _, one = await vlan(host, first, 7)
        _, other = await vlan(host, second, 7)
        kept, lost = (host.world.ref(host.row(pif)["network"]) for pif in (one, other))
        vif = await host.vif(await host.vm(), network=lost)
        await bond(host, first, second)
        assert (host.world.count("VLAN"), host.row(vif)["network"], host.row(lost)["PIFs"]) == (1, host.id(kept), ())

    over_host(body)


def test_vms_of_other_hosts_stay_where_they_are() -> None:
    async def body(host: Host) -> None:
        here, other = await nic(host, 1), await second_host(host)
        host.set(other, capabilities=("hvm-3.0-x86_64",))
        shared = host.world.ref(host.row(here)["network"])
        elsewhere, anywhere = await host.vm(), await host.vm()
        vifs = [await host.vif(vm, network=shared) for vm in (elsewhere, anywhere)]
        host.set(elsewhere, power_state="Running", resident_on=host.id(other))
        await bond(host, here)
        assert [host.row(vif)["network"] for vif in vifs] == [host.id(shared)] * 2

    over_host(body)


LACP = {"hashing_algorithm": "tcpudp_ports", "lacp-time": "slow", "lacp-fallback-ab": "true"}


@pytest.mark.parametrize(
    ("release", "properties"),
    [
        ("tampa", {"hashing_algorithm": "tcpudp_ports"}),
        ("clearwater", {"hashing_algorithm": "tcpudp_ports", "lacp-time": "slow"}),
        ("latest", LACP),
    ],
)
def test_a_mode_has_its_properties(release: str, properties: dict[str, str]) -> None:
    async def body(host: Host) -> None:
        made, _ = await bond(host, await nic(host, 1), await nic(host, 2))
        refusal = ["INVALID_VALUE", "properties", "hashing_algorithm = src_mac"]
        assert await host.refused("Bond.set_property", made, "hashing_algorithm", "src_mac") == refusal
        await host.call("Bond.set_mode", made, "lacp")
        assert fields_of(host, made, "mode", "properties") == ("lacp", properties)
        await host.call("Bond.set_property", made, "hashing_algorithm", "src_mac")
        assert fields_of(host, made, "properties") == ({**properties, "hashing_algorithm": "src_mac"},)
        await host.call("Bond.set_mode", made, "active-backup")
        assert fields_of(host, made, "mode", "properties") == ("active-backup", {})

    over_host(body, release)


def test_properties_that_are_given_stand_beside_the_usual_ones() -> None:
    async def body(host: Host) -> None:
        given = {"lacp-aggregation-key": "7", "lacp-time": "fast"}
        made = await host.call("Bond.create", await network(host), [await nic(host, 1)], "", "lacp", given)
        assert fields_of(host, made, "properties") == ({**LACP, **given},)
        refusal = ["INVALID_VALUE", "properties", "lacp-aggregation-key = seven"]
        assert await host.refused("Bond.set_property", made, "lacp-aggregation-key", "seven") == refusal

    over_host(body)


def test_one_link_of_an_active_backup_bond_is_used_at_a_time() -> None:
    async def body(host: Host) -> None:
        made, master = await bond(host, await nic(host, 1), await nic(host, 2), mode="active-backup")
        assert fields_of(host, made, "links_up") == (2,)
        assert fields_of(host, host.world.ref(host.row(master)["metrics"]), "speed") == (10_000,)

    over_host(body)
