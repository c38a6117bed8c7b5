"""The verbs of network and PIF."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.hosts import Host, over_host


async def _network(host: Host, **fields: Any) -> str:
    record = {"name_label": "n", "name_description": "", "MTU": "1500", "other_config": {}, **fields}
    return str(await host.call("network.create", record))


def _pif(host: Host) -> str:
    return host.world.ref(host.row(host.host)["PIFs"][0])


def test_a_network_gets_the_next_free_bridge_and_a_usual_mtu() -> None:
    async def body(host: Host) -> None:
        first, second = await _network(host), await _network(host, MTU="0")
        own = await _network(host, bridge="br-data")
        assert [host.row(network)["bridge"] for network in (first, second, own)] == ["xapi0", "xapi1", "br-data"]
        assert [host.row(network)["MTU"] for network in (first, second)] == [1500, 1500]
        await host.call("network.destroy", first)
        assert host.row(await _network(host))["bridge"] == "xapi0"

    over_host(body)


@pytest.mark.parametrize(
    ("bridge", "refusal"),
    [
        ("xenbr7", ["INVALID_VALUE", "bridge", "xenbr7"]),
        ("eth0", ["INVALID_VALUE", "bridge", "eth0"]),
        ("a-bridge-too-far", ["INVALID_VALUE", "bridge", "a-bridge-too-far"]),
        ("taken", ["BRIDGE_NAME_EXISTS", "taken"]),
    ],
)
def test_a_bridge_is_refused(bridge: str, refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        await _network(host, bridge="taken")
        return await host.refused("network.create", {"name_label": "n", "other_config": {}, "bridge": bridge})

    assert over_host(body) == refusal


def test_a_network_is_destroyed_when_nobody_is_attached() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        network = await _network(host)
        vif = await host.vif(vm, network=network)
        assert await host.refused("network.destroy", host.network) == ["NETWORK_CONTAINS_PIF", _pif(host)]
        host.set(vif, currently_attached=True)
        assert await host.refused("network.destroy", network) == ["NETWORK_CONTAINS_VIF", vif]
        assert await host.refused("network.set_default_locking_mode", network, "disabled") == ["VIF_IN_USE", network, vif]
        host.set(vif, currently_attached=False)
        await host.call("network.set_default_locking_mode", network, "disabled")
        assert host.row(network)["default_locking_mode"] == "disabled"
        await host.call("network.destroy", network)
        assert (host.world.count("VIF"), host.world.count("VIF_metrics")) == (0, 0)
        internal = await _network(host, other_config={"is_host_internal_management_network": "true"})
        assert await host.refused("network.destroy", internal) == ["CANNOT_DESTROY_SYSTEM_NETWORK", internal]

    over_host(body)


def test_purposes_that_exclude_each_other() -> None:
    async def body(host: Host) -> None:
        network = await _network(host)
        await host.call("network.add_purpose", network, "nbd")
        refusal = ["NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd"]
        assert await host.refused("network.add_purpose", network, "insecure_nbd") == refusal
        await host.call("network.remove_purpose", network, "nbd")
        await host.call("network.add_purpose", network, "insecure_nbd")
        assert host.row(network)["purpose"] == ("insecure_nbd",)

    over_host(body)


async def _second_pif(host: Host) -> str:
    return str(await host.call("PIF.introduce", host.host, "02:00:00:00:00:01", "eth1", True))


def test_an_introduced_interface_has_a_network_of_its_own() -> None:
    async def body(host: Host) -> None:
        pif = await _second_pif(host)
        row = host.row(pif)
        assert (row["device"], row["MAC"], row["physical"], row["VLAN"], row["currently_attached"]) == (
            "eth1",
            "02:00:00:00:00:01",
            True,
            -1,
            False,
        )
        assert host.world[row["network"]]["bridge"] == "xenbr1"
        assert await host.refused("PIF.introduce", host.host, "x", "eth2", True) == ["MAC_INVALID", "x"]
        again = await host.refused("PIF.introduce", host.host, "02:00:00:00:00:01", "eth1", True)
        assert again == ["DUPLICATE_PIF_DEVICE_NAME", "eth1"]
        await host.call("PIF.forget", pif)
        assert await host.refused("PIF.forget", _pif(host)) == ["PIF_IS_MANAGEMENT_INTERFACE", _pif(host)]
        await host.call("PIF.scan", host.host)
        assert host.world.count("PIF") == 1

    over_host(body)


def test_an_interface_is_plugged_and_unplugged() -> None:
    async def body(host: Host) -> None:
        pif = await _second_pif(host)
        await host.call("PIF.plug", pif)
        assert (host.row(pif)["currently_attached"], host.world[host.row(pif)["metrics"]]["carrier"]) == (True, True)
        await host.call("PIF.set_disallow_unplug", pif, True)
        assert await host.refused("PIF.unplug", pif) == ["PIF_DOES_NOT_ALLOW_UNPLUG", pif]
        await host.call("PIF.set_disallow_unplug", pif, False)
        await host.call("PIF.unplug", pif)
        assert not host.row(pif)["currently_attached"]
        assert await host.refused("PIF.unplug", _pif(host)) == ["PIF_IS_MANAGEMENT_INTERFACE", _pif(host)]

    over_host(body)


def test_an_interface_in_use_or_unmanaged_or_bonded_stays_as_it_is() -> None:
    async def body(host: Host) -> None:
        pif = await _second_pif(host)
        network = host.world.ref(host.row(pif)["network"])
        vm = await host.vm()
        vif = await host.vif(vm, network=network)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("PIF.unplug", pif) == ["VIF_IN_USE", network, vif]
        host.set(pif, managed=False)
        assert await host.refused("PIF.unplug", pif) == ["PIF_UNMANAGED", pif]
        bond = host.kit.made("Bond")
        host.set(pif, bond_slave_of=bond)
        assert await host.refused("PIF.plug", pif) == ["CANNOT_PLUG_BOND_SLAVE", pif]
        assert await host.refused("PIF.forget", pif) == ["PIF_ALREADY_BONDED", pif]
        host.set(pif, VLAN=7)
        assert await host.refused("PIF.forget", pif) == ["PIF_IS_VLAN", pif]

    over_host(body)


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        (("Static", "", "255.255.255.0", "", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "IP"]),
        (("Static", "10.0.0.5", "", "", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "netmask"]),
        (("Static", "10.0.0.5", "255.255.255.0", "x", ""), ["INVALID_IP_ADDRESS_SPECIFIED", "gateway"]),
        (("None", "", "", "", ""), ["PIF_IS_MANAGEMENT_INTERFACE", "pif"]),
    ],
)
def test_an_address_is_refused(params: tuple[str, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return ["pif" if param == _pif(host) else param for param in await host.refused("PIF.reconfigure_ip", _pif(host), *params)]

    assert over_host(body) == refusal


def test_an_interface_gets_an_address() -> None:
    async def body(host: Host) -> None:
        await host.call("PIF.reconfigure_ip", _pif(host), "Static", "10.0.0.5", "255.255.255.0", "10.0.0.1", "8.8.8.8")
        row = host.row(_pif(host))
        assert [row[name] for name in ("ip_configuration_mode", "IP", "netmask", "gateway", "DNS")] == [
            "Static",
            "10.0.0.5",
            "255.255.255.0",
            "10.0.0.1",
            "8.8.8.8",
        ]
        await host.call("PIF.reconfigure_ip", _pif(host), "DHCP", "", "", "", "")
        assert (host.row(_pif(host))["ip_configuration_mode"], host.row(_pif(host))["IP"]) == ("DHCP", "")
        await host.call("PIF.reconfigure_ipv6", _pif(host), "Static", "fe80::1/64", "", "")
        assert host.row(_pif(host))["IPv6"] == ("fe80::1/64",)
        assert await host.refused("PIF.reconfigure_ipv6", _pif(host), "Static", "x", "", "") == ["INVALID_IP_ADDRESS_SPECIFIED", "IPv6"]

    over_host(body)
