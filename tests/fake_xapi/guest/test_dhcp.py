"""Leases: no two alike on a network, the same again whenever asked, and from the network's own range where it has one."""

from __future__ import annotations

import asyncio
import ipaddress

from fake_xapi.guest.dhcp import lease
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host


def test_no_two_interfaces_of_a_network_share_a_lease() -> None:
    async def body(host: Host) -> None:
        vm = host.id(await host.vm())
        with host.world.edit() as edit:
            vifs = [edit.create("VIF", VM=vm, network=host.id(host.network), device=str(number)) for number in range(2000)]
        leases = [lease(host.world, vif) for vif in vifs]
        assert len(set(leases)) == 2000
        assert all(ipaddress.ip_address(address) in ipaddress.ip_network("10.0.0.0/8") for address in leases)
        assert {address.rpartition(".")[2] for address in leases} == {str(octet) for octet in range(1, 255)}
        assert leases == [lease(host.world.fork(), vif) for vif in vifs]

    over_host(body)


def test_a_lease_outlives_reboots_and_hosts() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        seen = set()
        for _ in range(2):
            await host.call("VM.start", vm, False, False)
            await asyncio.sleep(1)
            seen.add(host.world[host.row(vm)["guest_metrics"]]["networks"]["0/ip"])
            await host.call("VM.hard_shutdown", vm)
        diskless = await host.vm(name_label="other")
        await host.vif(diskless)
        await host.call("VM.start_on", diskless, add_host(host), False, False)
        await asyncio.sleep(1)
        assert len(seen) == 1
        assert host.world[host.row(diskless)["guest_metrics"]]["networks"]["0/ip"] not in seen

    over_host(body)


def test_a_network_may_have_a_range_of_its_own_and_use_it_up() -> None:
    async def body(host: Host) -> None:
        host.set(host.network, other_config={"ip_begin": "169.254.0.1", "ip_end": "169.254.0.3"})
        vm = host.id(await host.vm())
        with host.world.edit() as edit:
            vifs = [edit.create("VIF", VM=vm, network=host.id(host.network), device=str(number)) for number in range(4)]
        found = [lease(host.world, vif) for vif in vifs]
        assert found == ["169.254.0.2", "169.254.0.3", "", ""]
        host.set(host.network, other_config={"ip_begin": "nonsense", "ip_end": "169.254.0.3"})
        assert lease(host.world, vifs[0]).startswith("10.")

    over_host(body)


def test_a_guest_that_no_server_answers_has_its_link_local_address_alone() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.dhcp": "none"})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        networks = host.world[host.row(vm)["guest_metrics"]]["networks"]
        assert list(networks) == ["0/ipv6/0"]
        assert networks["0/ipv6/0"].startswith("fe80::")

    over_host(body)


def test_a_static_address_comes_before_a_lease_and_is_noticed_at_once() -> None:
    async def body(host: Host) -> None:
        vm, _, _, vif = await host.server(name_label="Windows")
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        await host.call("VIF.configure_ipv4", vif, "Static", "192.0.2.7/24", "192.0.2.1")
        assert host.world[host.row(vm)["guest_metrics"]]["networks"]["0/ip"] == "192.0.2.7"

    over_host(body)
