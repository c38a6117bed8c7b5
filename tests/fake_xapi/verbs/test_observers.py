"""Observer, Caller, Rate_limit and SDN_controller."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host


def test_who_watches_what() -> None:
    async def body(host: Host) -> None:
        other = add_host(host)
        one = host.kit.make("Observer", name_label="watcher")
        await host.call("Observer.set_hosts", one, [host.host, host.host])
        await host.call("Observer.register", one, other)
        assert await host.call("Observer.get_hosts", one) == [host.host, other]
        await host.call("Observer.unregister", one, host.host)
        await host.call("Observer.set_enabled", one, True)
        await host.call("Observer.set_attributes", one, {"a.b_1": "X"})
        await host.call("Observer.set_endpoints", one, ["bugtool", "http://trace:9411/api"])
        await host.call("Observer.set_components", one, ["xapi", "xenopsd", "xapi"])
        row = host.row(one)
        assert (row["hosts"], row["enabled"], row["attributes"]) == ((host.id(other),), True, {"a.b_1": "X"})
        assert (row["endpoints"], row["components"]) == (("bugtool", "http://trace:9411/api"), ("xapi", "xenopsd"))

    over_host(body)


@pytest.mark.parametrize(
    ("method", "value", "refusal"),
    [
        ("set_attributes", {"Upper": "x"}, ["INVALID_VALUE", "attributes", "Upper"]),
        ("set_attributes", {"": "x"}, ["INVALID_VALUE", "attributes", ""]),
        ("set_endpoints", ["ftp://x"], ["INVALID_VALUE", "endpoint", "ftp://x"]),
        ("set_endpoints", ["http://"], ["INVALID_VALUE", "endpoint", "http://"]),
        ("set_endpoints", ["http://["], ["INVALID_VALUE", "endpoint", "http://["]),
        ("set_components", ["xapi", "toaster"], ["INVALID_VALUE", "component", "toaster"]),
    ],
)
def test_what_nobody_watches(method: str, value: Any, refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused(f"Observer.{method}", host.kit.make("Observer"), value)

    assert over_host(body) == refusal


def test_callers_in_groups_and_under_limits() -> None:
    async def body(host: Host) -> None:
        caller = host.kit.make("Caller", name_label="backup")
        slow, fast = host.kit.make("Rate_limit"), host.kit.make("Rate_limit")
        await host.call("Caller.add_group", caller, "night")
        await host.call("Caller.add_group", caller, "night")
        await host.call("Caller.add_group", caller, "day")
        await host.call("Caller.remove_group", caller, "night")
        assert await host.call("Caller.get_groups", caller) == ["day"]
        assert await host.refused("Caller.add_group", caller, "") == ["INVALID_VALUE", "group", ""]
        await host.call("Rate_limit.add_caller", slow, caller)
        await host.call("Rate_limit.add_caller", fast, caller)
        await host.call("Rate_limit.remove_caller", slow, caller)
        assert (await host.call("Rate_limit.get_callers", slow), await host.call("Rate_limit.get_callers", fast)) == ([], [caller])
        await host.call("Rate_limit.remove_caller", fast, caller)
        assert await host.call("Rate_limit.get_callers", fast) == []
        for field in ("burst_size", "fill_rate"):
            await host.call(f"Rate_limit.set_{field}", slow, 2.5)
            assert await host.call(f"Rate_limit.get_{field}", slow) == 2.5
            assert await host.refused(f"Rate_limit.set_{field}", slow, 0.0) == ["INVALID_VALUE", field, "0.0"]

    over_host(body)


@pytest.mark.parametrize(
    ("given", "kept"), [(("ssl", "10.0.0.9", "0"), ("ssl", "10.0.0.9", 6632)), (("pssl", "", "7000"), ("pssl", "", 7000))]
)
def test_a_controller_until_it_is_forgotten(given: tuple[str, str, str], kept: tuple[str, str, int]) -> None:
    async def body(host: Host) -> None:
        one = await host.call("SDN_controller.introduce", *given)
        row = host.row(one)
        assert (row["protocol"], row["address"], row["port"]) == kept
        told = "SDN controller has been configured. Please forget it first."
        assert await host.refused("SDN_controller.introduce", *given) == ["OPERATION_NOT_ALLOWED", told]
        await host.call("SDN_controller.forget", one)
        assert await host.call("SDN_controller.get_all") == []

    over_host(body)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (("pssl", "10.0.0.9", "0"), ["OPERATION_NOT_ALLOWED", "Passive SSL: the address should be blank"]),
        (("ssl", "", "0"), ["INVALID_IP_ADDRESS_SPECIFIED", "address"]),
        (("ssl", "controller", "0"), ["INVALID_IP_ADDRESS_SPECIFIED", "address"]),
        (("ssl", "10.0.0.9", "65536"), ["INVALID_VALUE", "port", "65536"]),
        (("ssl", "10.0.0.9", "-1"), ["INVALID_VALUE", "port", "-1"]),
    ],
)
def test_controllers_that_are_refused(given: tuple[str, str, str], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("SDN_controller.introduce", *given)

    assert over_host(body) == refusal
