"""Provisioning Services: sites, servers, proxies and caches, and what keeps them from being forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


async def site_of(host: Host) -> str:
    return str(await host.call("PVS_site.introduce", "site", "", "pvs-1"))


def test_a_site_goes_when_nothing_of_it_is_used() -> None:
    async def body(host: Host) -> None:
        site = await site_of(host)
        server = await host.call("PVS_server.introduce", ["10.0.0.1", "10.0.0.1"], "6910", "6930", site)
        assert (host.row(server)["addresses"], host.row(server)["first_port"]) == (("10.0.0.1",), 6910)
        vm, _, _, vif = await host.server()
        await host.call("VM.start", vm, False, False)
        proxy = await host.call("PVS_proxy.create", site, vif)
        assert (host.row(proxy)["currently_attached"], host.row(proxy)["status"]) == (True, "initialised")
        cache = await host.call("PVS_cache_storage.create", {"host": host.host, "SR": host.sr, "site": site, "size": "1024"})
        assert await host.refused("PVS_site.forget", site) == ["PVS_SITE_CONTAINS_RUNNING_PROXIES", proxy]
        assert await host.refused("PVS_site.set_PVS_uuid", site, "x") == ["PVS_SITE_CONTAINS_RUNNING_PROXIES", proxy]
        assert await host.refused("PVS_cache_storage.destroy", cache) == ["PVS_CACHE_STORAGE_IS_IN_USE", cache]
        host.set(proxy, currently_attached=False)
        assert await host.refused("PVS_site.forget", site) == ["PVS_SITE_CONTAINS_SERVERS", server]
        await host.call("PVS_site.set_PVS_uuid", site, "x")
        await host.call("PVS_cache_storage.destroy", cache)
        await host.call("PVS_server.forget", server)
        await host.call("PVS_site.forget", site)
        for cls in ("PVS_site", "PVS_server", "PVS_proxy", "PVS_cache_storage"):
            assert await host.call(f"{cls}.get_all") == []

    over_host(body)


@pytest.mark.parametrize(
    ("addresses", "first", "last", "refusal"),
    [
        ([], 1, 2, ["INVALID_IP_ADDRESS_SPECIFIED", "addresses"]),
        (["10.0.0"], 1, 2, ["INVALID_IP_ADDRESS_SPECIFIED", "addresses"]),
        (["10.0.0.2", "10.0.0.1"], 1, 2, ["PVS_SERVER_ADDRESS_IN_USE", "10.0.0.1"]),
        (["10.0.0.2"], 0, 2, ["INVALID_VALUE", "first_port", "0"]),
        (["10.0.0.2"], 1, 65536, ["INVALID_VALUE", "last_port", "65536"]),
        (["10.0.0.2"], 3, 2, ["INVALID_VALUE", "last_port", "2"]),
    ],
)
def test_servers_that_are_refused(addresses: list[str], first: int, last: int, refusal: list[str]) -> None:
    async def body(host: Host) -> Any:
        site = await site_of(host)
        await host.call("PVS_server.introduce", ["10.0.0.1"], "1", "2", site)
        return await host.refused("PVS_server.introduce", addresses, str(first), str(last), site)

    assert over_host(body) == refusal


def test_a_vm_has_one_proxy_for_its_first_interface() -> None:
    async def body(host: Host) -> None:
        site = await site_of(host)
        vm, _, _, vif = await host.server()
        second = await host.vif(vm, "1")
        assert await host.refused("PVS_proxy.create", site, second) == ["PVS_PROXY_PRESENT_ON_HIGHER_VIF_DEVICE", "1"]
        proxy = await host.call("PVS_proxy.create", site, vif)
        assert host.row(proxy)["status"] == "stopped"
        assert await host.refused("PVS_proxy.create", site, vif) == ["PVS_PROXY_ALREADY_PRESENT", proxy]
        await host.call("PVS_proxy.destroy", proxy)
        assert await host.call("PVS_site.get_proxies", site) == []

    over_host(body)


def test_a_proxy_runs_while_its_interface_is_attached() -> None:
    async def body(host: Host) -> None:
        site = await site_of(host)
        vm, _, _, vif = await host.server()
        proxy = await host.call("PVS_proxy.create", site, vif)

        def state() -> tuple[bool, str]:
            return host.row(proxy)["currently_attached"], host.row(proxy)["status"]

        running, stopped = (True, "initialised"), (False, "stopped")
        steps: list[tuple[str, tuple[Any, ...], tuple[bool, str]]] = [
            ("VM.start", (vm, False, False), running),
            ("VIF.unplug_force", (vif,), stopped),
            ("VIF.plug", (vif,), running),
            ("VM.suspend", (vm,), stopped),
            ("VM.resume", (vm, False, False), running),
            ("VM.hard_shutdown", (vm,), stopped),
        ]
        for method, params, expected in steps:
            await host.call(method, *params)
            assert (method, state()) == (method, expected)
        host.set(pool(host), restrictions={"restrict_pvs_proxy": "true"})
        await host.call("VM.start", vm, False, False)
        assert state() == stopped

    over_host(body)


def test_a_copy_of_an_interface_gets_a_proxy_and_both_go_together() -> None:
    async def body(host: Host) -> None:
        site = await site_of(host)
        vm, _, _, vif = await host.server()
        proxy = await host.call("PVS_proxy.create", site, vif)
        await host.call("VM.start", vm, False, False)
        snapshot = await host.call("VM.snapshot", vm, "kept")
        await host.call("VM.revert", snapshot)
        clone = await host.call("VM.clone", vm, "copy")
        proxies = await host.call("PVS_site.get_proxies", site)
        assert proxy not in proxies
        assert sorted(host.row(one)["VIF"] for one in proxies) == sorted(host.row(one)["VIFs"][0] for one in (vm, snapshot, clone))
        assert [host.row(one)["status"] for one in proxies] == ["stopped"] * 3
        for one in (vm, snapshot, clone):
            await host.call("VM.destroy", one)
        assert await host.call("PVS_site.get_proxies", site) == []

    over_host(body)


def test_a_host_has_one_cache_of_a_site() -> None:
    async def body(host: Host) -> None:
        site = await site_of(host)
        record = {"host": host.host, "SR": host.sr, "site": site}
        cache = await host.call("PVS_cache_storage.create", record)
        assert host.row(cache)["size"] == 21_474_836_480
        assert await host.refused("PVS_cache_storage.create", record) == ["PVS_CACHE_STORAGE_ALREADY_PRESENT", site, host.host]

    over_host(body)


def test_proxies_are_a_feature() -> None:
    async def body(host: Host) -> None:
        site, vif = await site_of(host), (await host.server())[3]
        host.set(pool(host), restrictions={"restrict_pvs_proxy": "true"})
        refusal = ["LICENCE_RESTRICTION", "PVS_proxy"]
        assert await host.refused("PVS_site.introduce", "b", "", "x") == refusal
        assert await host.refused("PVS_server.introduce", ["10.0.0.1"], "1", "2", site) == refusal
        assert await host.refused("PVS_proxy.create", site, vif) == refusal

    over_host(body)
