"""Settings of a pool that reach its hosts, and the secrets that it keeps."""

from __future__ import annotations

from typing import Any

import pytest

from fake_xapi.verbs.hosts import dom0_files
from fake_xapi.verbs.pools.pool_settings import POOL_SECRET
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


@pytest.mark.parametrize(
    ("method", "params", "field", "value"),
    [("disable_ssl_legacy", (), "ssl_legacy", False), ("set_https_only", (True,), "https_only", True)],
)
def test_what_every_host_does(method: str, params: tuple[Any, ...], field: str, value: bool) -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        await host.call(f"pool.{method}", pool(host), *params)
        assert [host.row(one)[field] for one in (host.host, other)] == [value, value]

    over_host(body)


@pytest.mark.parametrize(
    ("method", "value", "field", "kept"),
    [
        ("set_ext_auth_cache_enabled", False, "ext_auth_cache_enabled", False),
        ("set_ext_auth_cache_size", "0", "ext_auth_cache_size", 0),
        ("set_ext_auth_cache_expiry", "1", "ext_auth_cache_expiry", 1),
        ("enable_client_certificate_auth", "operator", "client_certificate_auth_name", "operator"),
        ("set_telemetry_next_collection", "20120815T00:00:00Z", "telemetry_next_collection", "20120815T00:00:00Z"),
    ],
)
def test_what_is_kept(method: str, value: Any, field: str, kept: Any) -> None:
    async def body(host: Host) -> None:
        await host.call(f"pool.{method}", pool(host), value)
        assert host.row(pool(host))[field] == kept

    over_host(body)


@pytest.mark.parametrize(
    ("method", "value", "refusal"),
    [
        ("set_ext_auth_cache_size", "-1", ["INVALID_VALUE", "size", "-1"]),
        ("set_ext_auth_cache_expiry", "0", ["INVALID_VALUE", "expiry", "0"]),
        ("enable_client_certificate_auth", "", ["INVALID_VALUE", "name", ""]),
        ("set_telemetry_next_collection", "20120815T00:00:01Z", ["TELEMETRY_NEXT_COLLECTION_TOO_LATE", "20120815T00:00:01Z"]),
    ],
)
def test_what_is_refused(method: str, value: str, refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused(f"pool.{method}", pool(host), value)

    assert over_host(body) == refusal


def test_clients_with_a_certificate_until_nobody() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.enable_client_certificate_auth", pool(host), "operator")
        assert host.row(pool(host))["client_certificate_auth_enabled"]
        await host.call("pool.disable_client_certificate_auth", pool(host))
        row = host.row(pool(host))
        assert (row["client_certificate_auth_enabled"], row["client_certificate_auth_name"]) == (False, "")

    over_host(body)


def test_a_pool_is_counted_as_another_one() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.reset_telemetry_uuid", pool(host))
        (first,) = [row["value"] for _, row in host.world.rows("secret")]
        await host.call("pool.reset_telemetry_uuid", pool(host))
        (second,) = [row["value"] for _, row in host.world.rows("secret")]
        assert (len(first), first[14], first == second) == (36, "4", False)

    over_host(body)


def test_a_new_secret_for_all_hosts() -> None:
    async def body(host: Host) -> None:
        host.set(pool(host), is_psr_pending=True)
        await host.call("pool.rotate_secret")
        first = dom0_files.read(host.world, POOL_SECRET)
        await host.call("pool.rotate_secret")
        assert first != dom0_files.read(host.world, POOL_SECRET)
        assert host.row(pool(host))["is_psr_pending"] is False

    over_host(body)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"restrictions": {"restrict_pool_secret_rotation": "true"}}, ["LICENCE_RESTRICTION", "Pool_secret_rotation"]),
        ({"ha_enabled": True}, ["HA_IS_ENABLED"]),
        ({"other_config": {"rolling_upgrade_in_progress": ""}}, ["NOT_SUPPORTED_DURING_UPGRADE"]),
    ],
)
def test_secrets_stay(fields: dict[str, Any], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        host.set(pool(host), **fields)
        return await host.refused("pool.rotate_secret")

    assert over_host(body) == refusal


def test_a_secret_needs_every_host() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        with host.world.edit() as edit:
            edit.set(host.row(other)["metrics"], live=False)
        assert await host.refused("pool.rotate_secret") == ["CANNOT_CONTACT_HOST", other]

    over_host(body)


def test_a_host_changes_its_secret_in_three_steps() -> None:
    async def body(host: Host) -> None:
        steps = ("host.notify_accept_new_pool_secret", "host.notify_send_new_pool_secret", "host.cleanup_pool_secret")
        assert await host.refused(steps[1], host.host, "a", "b") == ["INTERNAL_ERROR", "the new pool secret was not accepted"]
        for step in steps:
            await host.call(step, host.host, "a", "b")
        wrong = ["INTERNAL_ERROR", "the pool secret is another one"]
        assert await host.refused(steps[0], host.host, "a", "c") == wrong
        assert await host.refused(steps[2], host.host, "b", "c") == wrong
        for step in steps:
            await host.call(step, host.host, "b", "c")

    over_host(body)


def test_no_server_is_ever_reached() -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("pool.send_test_post", "example.com", "443", "hello")

    assert over_host(body) == ["TLS_CONNECTION_FAILED", "example.com", "443"]


def test_the_secret_is_told_to_who_joins_until_it_is_another() -> None:
    async def body(host: Host) -> None:
        first = await host.call("pool.initial_auth")
        assert (await host.call("pool.initial_auth"), len(first)) == (first, 128)
        await host.call("pool.rotate_secret")
        assert await host.call("pool.initial_auth") != first

    over_host(body)


def test_whether_hosts_keep_blobs() -> None:
    async def body(host: Host) -> None:
        await host.call("pool.disable_binary_storage")
        assert host.row(host.host)["other_config"] == {"no_local_storage": "true"}
        await host.call("pool.enable_binary_storage")
        assert host.row(host.host)["other_config"] == {}

    over_host(body)
