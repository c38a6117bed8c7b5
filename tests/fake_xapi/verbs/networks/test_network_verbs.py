"""The verbs of network."""

from __future__ import annotations

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import bond, fields_of, management, network, nic


def test_a_network_gets_the_next_free_bridge_and_a_usual_mtu() -> None:
    async def body(host: Host) -> None:
        first, second = await network(host), await network(host, MTU="0")
        own = await network(host, bridge="br-data")
        assert [host.row(made)["bridge"] for made in (first, second, own)] == ["xapi0", "xapi1", "br-data"]
        assert [host.row(made)["MTU"] for made in (first, second)] == [1500, 1500]
        await host.call("network.destroy", first)
        assert host.row(await network(host))["bridge"] == "xapi0"

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
        await network(host, bridge="taken")
        return await host.refused("network.create", {"name_label": "n", "other_config": {}, "bridge": bridge})

    assert over_host(body) == refusal


def test_a_network_is_destroyed_when_nobody_is_attached() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        made = await network(host)
        vif = await host.vif(vm, network=made)
        assert await host.refused("network.destroy", host.network) == ["NETWORK_CONTAINS_PIF", management(host)]
        host.set(vif, currently_attached=True)
        assert await host.refused("network.destroy", made) == ["NETWORK_CONTAINS_VIF", vif]
        assert await host.refused("network.set_default_locking_mode", made, "disabled") == ["VIF_IN_USE", made, vif]
        host.set(vif, currently_attached=False)
        await host.call("network.set_default_locking_mode", made, "disabled")
        assert host.row(made)["default_locking_mode"] == "disabled"
        await host.call("network.destroy", made)
        assert (host.world.count("VIF"), host.world.count("VIF_metrics")) == (0, 0)
        internal = await network(host, other_config={"is_host_internal_management_network": "true"})
        assert await host.refused("network.destroy", internal) == ["CANNOT_DESTROY_SYSTEM_NETWORK", internal]

    over_host(body)


def test_purposes_that_exclude_each_other() -> None:
    async def body(host: Host) -> None:
        made = await network(host)
        await host.call("network.add_purpose", made, "nbd")
        refusal = ["NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd"]
        assert await host.refused("network.add_purpose", made, "insecure_nbd") == refusal
        await host.call("network.remove_purpose", made, "nbd")
        await host.call("network.add_purpose", made, "insecure_nbd")
        assert host.row(made)["purpose"] == ("insecure_nbd",)

    over_host(body)


def test_a_pool_has_one_kind_of_disk_traffic() -> None:
    async def body(host: Host) -> None:
        first, second = await network(host), await network(host)
        await host.call("network.add_purpose", first, "nbd")
        await host.call("network.add_purpose", second, "nbd")
        refusal = ["NETWORK_INCOMPATIBLE_PURPOSES", "insecure_nbd", "nbd"]
        assert await host.refused("network.add_purpose", await network(host), "insecure_nbd") == refusal

    over_host(body)


def test_a_network_that_is_held_for_a_domain_is_not_destroyed() -> None:
    async def body(host: Host) -> None:
        made = await network(host)
        vif = await host.vif(await host.vm(), network=made)
        host.set(vif, reserved=True)
        assert await host.refused("network.destroy", made) == ["NETWORK_CONTAINS_VIF", vif]

    over_host(body)


def test_an_interface_comes_up_when_its_network_is_attached() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, is_up=False)
        made = host.world.ref(host.row(pif)["network"])
        host.set(made, MTU=9000)
        await host.call("network.attach", made, host.host)
        assert fields_of(host, pif, "currently_attached", "MTU") == (True, 9000)
        await host.call("network.attach", await network(host), host.host)
        strange = host.kit.make("network", bridge="br-strange", managed=False)
        assert await host.refused("network.attach", strange, host.host) == ["BRIDGE_NOT_AVAILABLE", "br-strange"]

    over_host(body)


def test_a_part_of_a_bond_is_not_attached() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1)
        await bond(host, pif)
        made = host.world.ref(host.row(pif)["network"])
        assert await host.refused("network.attach", made, host.host) == ["CANNOT_PLUG_BOND_SLAVE", pif]
        vm = await host.vm()
        await host.vif(vm, network=made)
        assert await host.refused("network.attach_for_vm", host.host, vm) == ["CANNOT_PLUG_BOND_SLAVE", pif]
        assert await host.refused("VM.start_on", vm, host.host, False, False) == ["HOST_CANNOT_ATTACH_NETWORK", host.host, made]

    over_host(body)


def test_the_networks_of_a_vm_come_up_for_it() -> None:
    async def body(host: Host) -> None:
        pif = await nic(host, 1, is_up=False)
        vm = await host.vm()
        await host.vif(vm, network=host.world.ref(host.row(pif)["network"]))
        await host.call("network.attach_for_vm", host.host, vm)
        assert fields_of(host, pif, "currently_attached") == (True,)
        await host.call("network.detach_for_vm", host.host, vm)
        assert fields_of(host, pif, "currently_attached") == (True,)

    over_host(body)


def test_a_network_is_introduced_as_it_is_told() -> None:
    async def body(host: Host) -> None:
        made = await host.call("network.pool_introduce", "n", "d", "9000", {"k": "v"}, "xenbr9", False, ["nbd"])
        names = ("name_label", "name_description", "MTU", "other_config", "bridge", "managed", "purpose")
        assert fields_of(host, made, *names) == ("n", "d", 9000, {"k": "v"}, "xenbr9", False, ("nbd",))

    over_host(body)
