"""SSH and consoles of hosts: opened, closed, and closed by themselves when their time is over."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.engine.rewinding import replace_world
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host

NEVER = "19700101T00:00:00Z"
BEGIN = "20120801T00:00:00Z"


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def ssh(host: Host, one: str) -> tuple[bool, str, bool]:
    row = host.row(one)
    return row["ssh_enabled"], row["ssh_expiry"], row["ssh_auto_mode"]


def test_ssh_is_open_until_it_is_closed() -> None:
    async def body(host: Host) -> None:
        await host.call("host.disable_ssh", host.host)
        assert ssh(host, host.host) == (False, BEGIN, False)
        await host.call("host.enable_ssh", host.host)
        await asyncio.sleep(3600)
        assert ssh(host, host.host) == (True, NEVER, False)

    over_host(body)


def test_ssh_closes_by_itself_when_its_time_is_over() -> None:
    async def body(host: Host) -> None:
        await host.call("host.disable_ssh", host.host)
        await host.call("host.set_ssh_enabled_timeout", host.host, "600")
        assert ssh(host, host.host) == (False, BEGIN, False)
        await host.call("host.set_ssh_auto_mode", host.host, True)
        await host.call("host.enable_ssh", host.host)
        assert ssh(host, host.host) == (True, "20120801T00:10:00Z", False)
        await asyncio.sleep(599)
        assert ssh(host, host.host)[0]
        await asyncio.sleep(2)
        assert ssh(host, host.host) == (False, "20120801T00:10:00Z", True)

    over_host(body)


def test_another_timeout_counts_from_now_and_none_is_for_good() -> None:
    async def body(host: Host) -> None:
        await host.call("host.enable_ssh", host.host)
        await host.call("host.set_ssh_enabled_timeout", host.host, "600")
        await asyncio.sleep(300)
        await host.call("host.set_ssh_enabled_timeout", host.host, "600")
        assert ssh(host, host.host)[1] == "20120801T00:15:00Z"
        await asyncio.sleep(400)
        assert ssh(host, host.host)[0]
        await host.call("host.set_ssh_enabled_timeout", host.host, "0")
        await asyncio.sleep(3600)
        assert ssh(host, host.host) == (True, NEVER, False)
        await host.call("host.set_ssh_enabled_timeout", host.host, "600")
        await host.call("host.disable_ssh", host.host)
        await host.call("host.set_ssh_auto_mode", host.host, True)
        await asyncio.sleep(3600)
        assert (ssh(host, host.host)[0], ssh(host, host.host)[2]) == (False, True)

    over_host(body)


@pytest.mark.parametrize(
    ("method", "value", "refusal"),
    [
        ("set_ssh_enabled_timeout", -1, ["INVALID_VALUE", "ssh_enabled_timeout", "-1"]),
        ("set_ssh_enabled_timeout", 172801, ["INVALID_VALUE", "ssh_enabled_timeout", "172801"]),
        ("set_console_idle_timeout", -1, ["INVALID_VALUE", "console_idle_timeout", "-1"]),
    ],
)
def test_times_that_are_none(method: str, value: int, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        assert await host.refused(f"host.{method}", host.host, str(value)) == refusal
        assert await host.refused(f"pool.{method}", pool(host), str(value)) == refusal

    over_host(body)


@pytest.mark.parametrize(
    ("method", "params", "code", "changed"),
    [
        ("enable_ssh", (), "ENABLE_SSH_PARTIALLY_FAILED", {"ssh_enabled": True}),
        ("disable_ssh", (), "DISABLE_SSH_PARTIALLY_FAILED", {"ssh_enabled": False}),
        ("set_ssh_enabled_timeout", ("60",), "SET_SSH_TIMEOUT_PARTIALLY_FAILED", {"ssh_enabled_timeout": 60}),
        ("set_console_idle_timeout", ("60",), "SET_CONSOLE_TIMEOUT_PARTIALLY_FAILED", {"console_idle_timeout": 60}),
        ("set_ssh_auto_mode", (True,), "SET_SSH_AUTO_MODE_PARTIALLY_FAILED", {"ssh_auto_mode": True, "ssh_enabled": False}),
    ],
)
def test_a_whole_pool_at_once_but_for_the_dead(method: str, params: tuple[object, ...], code: str, changed: dict[str, object]) -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        await host.call(f"pool.{method}", pool(host), *params)
        assert [{name: host.row(one)[name] for name in changed} for one in (host.host, other)] == [changed, changed]
        with host.world.edit() as edit:
            edit.set(host.row(other)["metrics"], live=False)
        assert await host.refused(f"pool.{method}", pool(host), *params) == [code, other]

    over_host(body)


def test_an_older_database_closes_ssh_when_it_says() -> None:
    async def body(host: Host) -> None:
        await host.call("host.set_ssh_enabled_timeout", host.host, "600")
        await host.call("host.enable_ssh", host.host)
        value, disks = host.world.value, host.kit.xapi.disks.fork()
        await host.call("host.disable_ssh", host.host)
        await asyncio.sleep(60)
        await replace_world(host.kit.xapi, value, disks, host.world.personality.name)
        assert ssh(host, host.host) == (True, "20120801T00:10:00Z", False)
        await asyncio.sleep(539)
        assert ssh(host, host.host)[0]
        await asyncio.sleep(2)
        assert ssh(host, host.host) == (False, "20120801T00:10:00Z", False)

    over_host(body)
