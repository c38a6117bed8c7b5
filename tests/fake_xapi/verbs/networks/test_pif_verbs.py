"""The verbs of PIF: NICs come, go, are brought up and down, and change how they work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from fake_xapi.verbs.networks import plugging
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import (
    addressed,
    bond,
    fields_of,
    management,
    network,
    nic,
    nobody_s_call,
    put_in,
    second_host,
    set_pool,
    tunnel,
    vlan,
)


def test_a_scan_finds_the_nics_that_have_no_pif() -> None:
    async def body(host: Host) -> None:
        put_in(host, "eth1", "02:00:00:00:00:AB")
        await host.call("PIF.scan", host.host)
        pif = host.world.ref(host.row(host.host)["PIFs"][1])
        names = ("device", "MAC", "physical", "managed", "VLAN", "MTU", "currently_attached", "properties", "management")
        assert fields_of(host, pif, *names) == ("eth1", "02:00:00:00:00:ab", True, True, -1, 1500, False, {"gro": "on"}, False)
        assert fields_of(host, host.world.ref(host.row(pif)["network"]), "bridge", "name_label") == (
            "xenbr1",
            "Pool-wide network associated with eth1",
        )
        await host.call("PIF.scan", host.host)
        assert host.world.count("PIF") == 2

    over_host(body)


@pytest.mark.parametrize(
    ("mac", "device", "refusal"),
    [
        ("x", "eth1", ["MAC_INVALID", "x"]),
        ("", "eth9", ["MAC_INVALID", ""]),
        ("02:00:00:00:00:01", "eth0", ["DUPLICATE_PIF_DEVICE_NAME", "eth0"]),
        (
            "02:00:00:00:00:02",
            "eth1",
            ["COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS", "eth1", "02:00:00:00:00:02"],
        ),
    ],
)
def test_a_nic_is_not_introduced(mac: str, device: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        put_in(host, "eth1", "02:00:00:00:00:01")
        assert await host.refused("PIF.introduce", host.host, mac, device) == refusal
        assert host.world.count("PIF") == 1

    over_host(body)


def test_a_nic_is_introduced_with_its_own_address_where_none_is_given() -> None:
    async def body(host: Host) -> None:
        put_in(host, "eth1", "02:00:00:00:00:01")
        pif = await host.call("PIF.introduce", host.host, "", "eth1", False)
        assert fields_of(host, pif, "MAC", "managed") == ("02:00:00:00:00:01", False)

    over_host(body)


def test_a_forgotten_nic_is_found_again() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        await host.call("PIF.forget", pif)
        assert (host.world.count("PIF"), host.world.count("PIF_metrics")) == (1, 0)
        await host.call("PIF.scan", host.host)
        again = host.world.ref(host.row(host.host)["PIFs"][1])
        assert fields_of(host, again, "device", "MAC") == ("eth1", "02:00:00:00:00:01")

    over_host(body)


Arrange = Callable[[Host], Awaitable[str]]


async def _member(host: Host) -> str:
    pif = await nic(host, 1)
    await bond(host, pif)
    return pif


async def _master(host: Host) -> str:
    return (await bond(host, await nic(host, 1)))[1]


async def _tagged(host: Host) -> str:
    pif = await nic(host, 1)
    await vlan(host, pif)
    return pif


async def _untagged(host: Host) -> str:
    return (await vlan(host, await nic(host, 1)))[1]


async def _transport(host: Host) -> str:
    pif = await addressed(host, await nic(host, 1))
    await tunnel(host, pif)
    return pif


async def _access(host: Host) -> str:
    return (await tunnel(host, await addressed(host, await nic(host, 1))))[1]


async def _management(host: Host) -> str:
    return management(host)


async def _under_ha(host: Host) -> str:
    set_pool(host, ha_enabled=True)
    return await nic(host, 1)


async def _under_redo_log(host: Host) -> str:
    set_pool(host, redo_log_enabled=True)
    return await nic(host, 1)


async def _unmanaged(host: Host) -> str:
    return await nic(host, 1, managed=False)


async def _kept_up(host: Host) -> str:
    pif = await nic(host, 1)
    await host.call("PIF.set_disallow_unplug", pif, True)
    return pif


@pytest.mark.parametrize(
    ("arrange", "code"),
    [
        (_management, "PIF_IS_MANAGEMENT_INTERFACE"),
        (_member, "PIF_ALREADY_BONDED"),
        (_master, "PIF_ALREADY_BONDED"),
        (_tagged, "PIF_VLAN_STILL_EXISTS"),
        (_untagged, "PIF_VLAN_STILL_EXISTS"),
        (_transport, "PIF_TUNNEL_STILL_EXISTS"),
        (_access, "PIF_TUNNEL_STILL_EXISTS"),
    ],
)
def test_an_interface_of_which_something_is_made_is_not_forgotten(arrange: Arrange, code: str) -> None:
    async def body(host: Host) -> None:
        pif = await arrange(host)
        assert await host.refused("PIF.forget", pif) == [code, pif]

    over_host(body)


@pytest.mark.parametrize(("arrange", "code"), [(_under_ha, "HA_IS_ENABLED"), (_under_redo_log, "REDO_LOG_IS_ENABLED")])
@pytest.mark.parametrize("message", ["PIF.forget", "PIF.unplug"])
def test_hosts_that_watch_each_other_keep_their_interfaces(arrange: Arrange, code: str, message: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused(message, await arrange(host))

    assert over_host(body) == [code]


def test_the_releases_of_2012_let_a_master_forget_its_management_interface() -> None:
    async def body(host: Host) -> None:
        await host.call("PIF.forget", management(host))
        assert host.world.count("PIF") == 0

    over_host(body, "tampa")


@pytest.mark.parametrize(
    ("arrange", "code"),
    [
        (_unmanaged, "PIF_UNMANAGED"),
        (_management, "PIF_IS_MANAGEMENT_INTERFACE"),
        (_kept_up, "PIF_DOES_NOT_ALLOW_UNPLUG"),
    ],
)
def test_an_interface_stays_up(arrange: Arrange, code: str) -> None:
    async def body(host: Host) -> None:
        pif = await arrange(host)
        assert await host.refused("PIF.unplug", pif) == [code, pif]
        assert fields_of(host, pif, "currently_attached") == (True,)

    over_host(body)


def test_an_interface_stays_up_while_a_vm_uses_it() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        used = host.world.ref(host.row(pif)["network"])
        vm = await host.vm()
        vif = await host.vif(vm, network=used)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("PIF.unplug", pif) == ["VIF_IN_USE", used, vif]
        await host.call("VM.hard_shutdown", vm)
        host.set(vif, current_operations={"OpaqueRef:t": "attach"})
        host.set(vm, scheduled_to_be_resident_on=host.id(host.host))
        assert await host.refused("PIF.unplug", pif) == ["VIF_IN_USE", used, vif]

    over_host(body)


def test_a_protected_vm_keeps_its_network() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, is_up=False)
        vm = await host.vm()
        await host.vif(vm, network=host.world.ref(host.row(pif)["network"]))
        host.set(vm, ha_restart_priority="restart")
        set_pool(host, ha_enabled=True)
        assert await host.refused("PIF.unplug", pif) == ["HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN"]
        set_pool(host, ha_allow_overcommit=True)
        await host.call("PIF.unplug", pif)

    over_host(body)


def test_an_interface_that_is_up_has_a_link_and_the_mtu_of_its_network() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, is_up=False)
        metrics = host.world.ref(host.row(pif)["metrics"])
        host.set(host.world.ref(host.row(pif)["network"]), MTU=9000)
        await host.call("PIF.plug", pif)
        assert fields_of(host, pif, "currently_attached", "MTU") == (True, 9000)
        assert fields_of(host, metrics, "carrier", "speed", "duplex") == (True, 10_000, True)
        await host.call("PIF.unplug", pif)
        assert fields_of(host, pif, "currently_attached") == (False,)
        assert fields_of(host, metrics, "carrier", "speed", "duplex") == (False, 0, False)
        await host.call("PIF.add_to_other_config", pif, "mtu", "4000")
        await host.call("PIF.plug", pif)
        assert fields_of(host, pif, "MTU") == (4000,)

    over_host(body)


def test_what_cannot_be_brought_up() -> None:
    async def body(host: Host) -> None:
        unmanaged, member, transport = await nic(host, 1, managed=False), await nic(host, 2), await nic(host, 3)
        await bond(host, member)
        assert await host.refused("PIF.plug", unmanaged) == ["PIF_UNMANAGED", unmanaged]
        assert await host.refused("PIF.plug", member) == ["CANNOT_PLUG_BOND_SLAVE", member]
        _, access = await tunnel(host, await addressed(host, transport))
        await host.call("PIF.unplug", access)
        await host.call("PIF.reconfigure_ip", transport, "None", "", "", "", "")
        assert await host.refused("PIF.plug", access) == ["TRANSPORT_PIF_NOT_CONFIGURED", transport]

    over_host(body)


def test_a_tunnel_goes_down_with_what_carries_it_and_brings_it_up() -> None:
    async def body(host: Host) -> None:
        transport = await addressed(host, await nic(host, 1))
        made, access = await tunnel(host, transport)
        assert fields_of(host, made, "status") == ({"active": "true"},)
        await host.call("PIF.unplug", transport)
        assert fields_of(host, access, "currently_attached") == (False,)
        assert fields_of(host, made, "status") == ({"active": "false"},)
        await host.call("PIF.plug", access)
        assert fields_of(host, transport, "currently_attached") == (True,)
        assert fields_of(host, made, "status") == ({"active": "true"},)

    over_host(body)


@pytest.mark.parametrize(("name", "value", "shown"), [("gro", "maybe", "gro = maybe"), ("tso", "on", "tso = on")])
def test_a_property_that_no_nic_has_is_refused(name: str, value: str, shown: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("PIF.set_property", await nic(host, 1), name, value)

    assert over_host(body) == ["INVALID_VALUE", "properties", shown]


def test_the_members_of_a_bond_work_as_it_does() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        await host.call("PIF.set_property", pif, "gro", "off")
        assert fields_of(host, pif, "properties") == ({"gro": "off"},)
        _, master = await bond(host, pif)
        assert fields_of(host, master, "properties") == ({"gro": "off"},)
        await host.call("PIF.set_property", master, "gro", "on")
        assert (fields_of(host, master, "properties"), fields_of(host, pif, "properties")) == (({"gro": "on"},), ({"gro": "on"},))
        assert await host.refused("PIF.set_property", pif, "gro", "off") == ["CANNOT_CHANGE_PIF_PROPERTIES", pif]
        _, tagged = await vlan(host, master)
        assert await host.refused("PIF.set_property", tagged, "gro", "off") == ["CANNOT_CHANGE_PIF_PROPERTIES", tagged]

    over_host(body)


def test_how_an_interface_is_known_changes_only_where_nobody_depends_on_it() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        await host.call("PIF.set_primary_address_type", pif, "IPv6")
        assert fields_of(host, pif, "primary_address_type") == ("IPv6",)
        refusal = ["PIF_IS_MANAGEMENT_INTERFACE", management(host)]
        assert await host.refused("PIF.set_primary_address_type", management(host), "IPv6") == refusal
        set_pool(host, ha_enabled=True)
        assert await host.refused("PIF.set_primary_address_type", pif, "IPv4") == ["HA_IS_ENABLED"]

    over_host(body)


def test_a_cluster_keeps_its_interface() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, disallow_unplug=True)
        cluster_host = host.kit.make("Cluster_host", host=host.id(host.host), PIF=host.id(pif), enabled=True)
        assert await host.refused("PIF.set_disallow_unplug", pif, False) == ["CLUSTERING_ENABLED", cluster_host]
        assert await host.refused("PIF.forget", pif) == ["CLUSTERING_ENABLED", cluster_host]
        assert await host.refused("PIF.reconfigure_ip", pif, "None", "", "", "", "") == ["CLUSTERING_ENABLED", cluster_host]
        host.set(cluster_host, enabled=False)
        await host.call("PIF.set_disallow_unplug", pif, False)
        assert fields_of(host, pif, "disallow_unplug") == (False,)

    over_host(body)


@pytest.mark.parametrize("message", ["PIF.pool_introduce", "PIF.db_introduce"])
def test_an_interface_is_introduced_as_it_is_told(message: str) -> None:
    async def body(host: Host) -> None:
        null = "OpaqueRef:NULL"
        told = ("eth5", await network(host), host.host, "02:00:00:00:00:05", "1500", "-1", True, "Static", "10.0.0.5", "255.0.0.0")
        pif = await host.call(message, *told, "10.0.0.1", "10.0.0.2", null, null, False, {"k": "v"})
        names = ("device", "MAC", "MTU", "VLAN", "physical", "ip_configuration_mode", "IP", "gateway", "DNS", "other_config")
        shown = ("eth5", "02:00:00:00:00:05", 1500, -1, True, "Static", "10.0.0.5", "10.0.0.1", "10.0.0.2", {"k": "v"})
        assert fields_of(host, pif, *names) == shown
        assert fields_of(host, pif, "currently_attached", "IPv6", "managed", "device_name") == (False, (), True, "eth5")

    over_host(body)


def test_interfaces_of_other_hosts_are_their_own() -> None:
    async def body(host: Host) -> None:
        pif, other = await nic(host, 1), await second_host(host)
        there = host.world.ref(host.row(other)["PIFs"][1])
        assert fields_of(host, pif, "network") == fields_of(host, there, "network")
        assert host.row(there)["host"] == host.id(other)

    over_host(body)


def test_a_host_that_boots_brings_up_what_it_needs_and_nothing_else() -> None:
    async def body(host: Host) -> None:
        down, base = await nic(host, 1, is_up=False), await addressed(host, await nic(host, 2))
        (_, bare), (_, told) = await vlan(host, base, 7), await vlan(host, base, 8)
        await addressed(host, told, "10.8.0.1")
        _, access = await tunnel(host, base)
        unmanaged = await nic(host, 3, is_up=False, managed=False)
        _, master = await bond(host, await nic(host, 4))
        await host.call("PIF.unplug", master)
        with host.world.edit() as edit:
            plugging.host_booted(nobody_s_call(host), edit, host.id(host.host))
        up = [bool(host.row(pif)["currently_attached"]) for pif in (down, base, bare, told, access, unmanaged, master, management(host))]
        assert up == [True, True, False, True, False, False, True, True]

    over_host(body)
