"""Workload balancing without a server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


ASKING: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("pool.send_wlb_configuration", ({"a": "b"},)),
    ("pool.retrieve_wlb_configuration", ()),
    ("pool.retrieve_wlb_recommendations", ()),
    ("host.retrieve_wlb_evacuate_recommendations", ("{host}",)),
    ("VM.retrieve_wlb_recommendations", ("{vm}",)),
)


@pytest.mark.parametrize(("method", "params"), [*ASKING, ("pool.deconfigure_wlb", ())])
@pytest.mark.parametrize(
    ("fields", "refusal"),
    [({}, ["WLB_NOT_INITIALIZED"]), ({"restrictions": {"restrict_wlb": "true"}}, ["LICENCE_RESTRICTION", "WLB"])],
)
def test_without_a_server(method: str, params: tuple[Any, ...], fields: dict[str, Any], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        host.set(pool(host), **fields)
        asked = [param.format(host=host.host, vm=vm) if isinstance(param, str) else param for param in params]
        assert await host.refused(method, *asked) == refusal

    over_host(body)


@pytest.mark.parametrize(("method", "params"), ASKING)
def test_with_a_server_that_is_not_there(method: str, params: tuple[Any, ...]) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        asked = [param.format(host=host.host, vm=vm) if isinstance(param, str) else param for param in params]
        host.set(pool(host), wlb_url="wlb:8012", wlb_enabled=True)
        assert await host.refused(method, *asked) == ["WLB_CONNECTION_REFUSED"]
        host.set(pool(host), wlb_enabled=False)
        refusal = "WLB_DISABLED" if "recommendations" in method else "WLB_CONNECTION_REFUSED"
        assert await host.refused(method, *asked) == [refusal]

    over_host(body)


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("wlb:8012", ["WLB_CONNECTION_REFUSED"]),
        ("", ["WLB_URL_INVALID", ""]),
        ("wlb", ["WLB_URL_INVALID", "wlb"]),
        ("wlb:port", ["WLB_URL_INVALID", "wlb:port"]),
        ("wlb:0", ["WLB_URL_INVALID", "wlb:0"]),
        ("http://wlb:80/", ["WLB_URL_INVALID", "http://wlb:80/"]),
    ],
)
def test_no_server_is_reached(url: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        assert await host.refused("pool.initialize_wlb", url, "u", "p", "u", "p") == refusal
        assert host.row(pool(host))["wlb_url"] == ""
        host.set(pool(host), restrictions={"restrict_wlb": "true"})
        assert await host.refused("pool.initialize_wlb", url, "u", "p", "u", "p") == ["LICENCE_RESTRICTION", "WLB"]

    over_host(body)


def test_a_server_is_forgotten_with_its_password() -> None:
    async def body(host: Host) -> None:
        host.set(pool(host), wlb_url="wlb:8012", wlb_username="u", wlb_password=host.kit.made("secret", value="p"), wlb_enabled=True)
        await host.call("pool.deconfigure_wlb")
        row = host.row(pool(host))
        assert [row[name] for name in ("wlb_url", "wlb_username", "wlb_password", "wlb_enabled")] == ["", "", 0, False]
        assert await host.call("secret.get_all") == []

    over_host(body)
