"""The verbs of host, pool and console."""

from __future__ import annotations

import asyncio
import base64
import zlib
from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import NULL, Host, add_host, over_host


def _pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def test_a_console_is_read_by_the_number_of_its_domain() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        domid = str(host.row(vm)["domid"])
        for plugin in ("console", "console.py"):
            packed = await host.call("host.call_plugin", host.host, plugin, "get_console_log", {"dom_id": domid})
            text = zlib.decompress(base64.b64decode(packed)).decode()
            assert text.endswith("web login: \r\n")
        await host.call("VM.add_to_other_config", vm, "last_dom_id", domid)
        await host.call("VM.clean_shutdown", vm)
        packed = await host.call("host.call_plugin", host.host, "console", "get_console_log", {"dom_id": domid})
        assert zlib.decompress(base64.b64decode(packed)).decode().endswith("reboot: Power down\r\n")

    over_host(body)


@pytest.mark.parametrize(
    ("plugin", "function", "refusal"),
    [
        ("nothing", "f", ["XENAPI_MISSING_PLUGIN", "nothing"]),
        ("console", "f", ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "f"]),
        (
            "console",
            "get_console_log",
            [
                *("XENAPI_PLUGIN_EXCEPTION", "get_console_log", "IOError"),
                "[Errno 2] No such file or directory: '/var/log/xen/guest/console.9'",
            ],
        ),
    ],
)
def test_plugins_that_refuse(plugin: str, function: str, refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("host.call_plugin", host.host, plugin, function, {"dom_id": "9"})

    assert over_host(body) == refusal


def test_a_disabled_host_starts_nothing_and_can_be_enabled_again() -> None:
    async def body(host: Host) -> None:
        await host.call("host.disable", host.host)
        assert not host.row(host.host)["enabled"]
        assert "reboot" in host.row(host.host)["allowed_operations"]
        await host.call("host.enable", host.host)
        assert "reboot" not in host.row(host.host)["allowed_operations"]

    over_host(body)


def test_what_a_host_tells() -> None:
    async def body(host: Host) -> None:
        assert await host.call("host.get_servertime", host.host) == "20120801T00:00:00Z"
        assert await host.call("host.get_server_localtime", host.host) == "20120801T00:00:00Z"
        assert "VM.start" in await host.call("host.list_methods")
        assert await host.call("host.get_management_interface", host.host) == host.world.ref(host.row(host.host)["PIFs"][0])
        assert await host.call("host.has_extension", host.host, "x") is False
        assert await host.call("host.get_uncooperative_resident_VMs", host.host) == []

    over_host(body)


def test_a_host_is_renamed_with_its_control_domain() -> None:
    async def body(host: Host) -> None:
        dom0 = host.kit.made("VM", is_control_domain=True, name_label="Control domain on host: h")
        host.set(host.host, control_domain=dom0)
        await host.call("host.set_hostname_live", host.host, "xs-7")
        assert (host.row(host.host)["hostname"], host.world[dom0]["name_label"]) == ("xs-7", "Control domain on host: xs-7")
        assert await host.refused("host.set_hostname_live", host.host, "no good") == ["INVALID_VALUE", "hostname", "no good"]

    over_host(body)


def test_settings_of_a_host() -> None:
    async def body(host: Host) -> None:
        await host.call("host.set_iscsi_iqn", host.host, "iqn.x")
        await host.call("host.set_multipathing", host.host, True)
        await host.call("host.set_power_on_mode", host.host, "wake-on-lan", {"a": "b"})
        await host.call("host.enable_local_storage_caching", host.host, host.sr)
        row = host.row(host.host)
        assert (row["iscsi_iqn"], row["multipathing"], row["power_on_mode"], row["power_on_config"]) == (
            "iqn.x",
            True,
            "wake-on-lan",
            {"a": "b"},
        )
        assert row["other_config"] == {"iscsi_iqn": "iqn.x", "multipathing": "true"}
        assert (row["local_cache_sr"], host.row(host.sr)["local_cache_enabled"]) == (host.id(host.sr), True)
        await host.call("host.disable_local_storage_caching", host.host)
        assert (host.row(host.host)["local_cache_sr"], host.row(host.sr)["local_cache_enabled"]) == (0, False)
        assert await host.refused("host.set_iscsi_iqn", host.host, "") == ["INVALID_VALUE", "value", ""]

    over_host(body)


def test_what_keeps_a_host_from_being_evacuated() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert await host.call("host.get_vms_which_prevent_evacuation", host.host) == {vm: ["NO_HOSTS_AVAILABLE", vm]}
        add_host(host)
        assert await host.call("host.get_vms_which_prevent_evacuation", host.host) == {vm: ["VM_REQUIRES_SR", vm, host.sr]}
        assert await host.refused("host.assert_can_evacuate", host.host) == ["CANNOT_EVACUATE_HOST", f"VM_REQUIRES_SR,{vm},{host.sr}"]
        await host.call("VM.hard_shutdown", vm)
        await host.call("host.assert_can_evacuate", host.host)

    over_host(body)


def test_settings_of_a_pool() -> None:
    async def body(host: Host) -> None:
        pool, second = _pool(host), add_host(host)
        calls: list[tuple[str, tuple[Any, ...]]] = [
            ("sync_database", ()),
            ("set_vswitch_controller", ("10.0.0.3",)),
            ("set_ha_host_failures_to_tolerate", (pool, "1")),
            ("set_igmp_snooping_enabled", (pool, True)),
            ("add_to_guest_agent_config", (pool, "a", "b")),
        ]
        for method, params in calls:
            await host.call(f"pool.{method}", *params)
        row = host.row(pool)
        assert (row["vswitch_controller"], row["ha_host_failures_to_tolerate"], row["igmp_snooping_enabled"]) == ("10.0.0.3", 1, True)
        assert row["guest_agent_config"] == {"a": "b"}
        refusal = ["INVALID_VALUE", "ha_host_failures_to_tolerate", "-1"]
        assert await host.refused("pool.set_ha_host_failures_to_tolerate", pool, "-1") == refusal
        assert await host.call("pool.is_slave", second) is True
        await host.call("pool.designate_new_master", second)
        assert await host.call("pool.is_slave", second) is False
        assert await host.call("pool.recover_slaves") == []
        assert await host.call("pool.ha_compute_max_host_failures_to_tolerate") == 1
        assert await host.refused("pool.disable_ha") == ["HA_NOT_ENABLED"]
        assert await host.call("pool.get_license_state", pool) == {"edition": "", "expiry": "never"}

    over_host(body)


def test_consoles_that_callers_make_are_rows() -> None:
    async def body(host: Host) -> None:
        console = await host.call("console.create", {"other_config": {"a": "b"}, "port": "5900"})
        assert await host.call("console.get_VM", console) == NULL
        await host.call("console.destroy", console)
        assert host.world.count("console") == 0

    over_host(body)
