"""Settings of hosts and pools: what is set is read back, what is none is refused, and all is as it was afterwards."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

import pytest

from contract_tests.made import Made
from contract_tests.refusals import refusal


@pytest.fixture
def pool(xapi: Any) -> str:
    """The pool."""
    (one,) = xapi.pool.get_all()
    return str(one)


@pytest.mark.requires("host.set_ssh_enabled_timeout")
@pytest.mark.parametrize("owner", ["host", "pool"])
@pytest.mark.parametrize("value", ["-1", "172801"])
def test_times_for_ssh_that_are_none(xapi: Any, host: str, pool: str, owner: str, value: str) -> None:
    """INVALID_VALUE ["ssh_enabled_timeout", value]: from 0 to two days."""
    subject = {"host": host, "pool": pool}[owner]
    assert refusal(getattr(xapi, owner).set_ssh_enabled_timeout, subject, value) == ["INVALID_VALUE", "ssh_enabled_timeout", value]


@pytest.mark.requires("host.set_ssh_enabled_timeout")
def test_the_time_for_ssh_is_kept(xapi: Any, made: Made, host: str) -> None:
    """host.set_ssh_enabled_timeout."""
    made.later(xapi.host.set_ssh_enabled_timeout, host, xapi.host.get_ssh_enabled_timeout(host))
    xapi.host.set_ssh_enabled_timeout(host, "7200")
    assert xapi.host.get_ssh_enabled_timeout(host) == "7200"


@pytest.mark.requires("host.set_console_idle_timeout")
def test_the_time_for_idle_consoles_is_kept(xapi: Any, made: Made, host: str) -> None:
    """host.set_console_idle_timeout; INVALID_VALUE below 0."""
    made.later(xapi.host.set_console_idle_timeout, host, xapi.host.get_console_idle_timeout(host))
    xapi.host.set_console_idle_timeout(host, "600")
    assert xapi.host.get_console_idle_timeout(host) == "600"
    assert refusal(xapi.host.set_console_idle_timeout, host, "-1")[0] == "INVALID_VALUE"


@pytest.mark.requires("host.set_timezone")
def test_a_zone_that_the_host_knows(xapi: Any, made: Made, host: str) -> None:
    """host.list_timezones names it, set_timezone keeps it; INVALID_VALUE for one that nobody knows."""
    assert "Europe/Berlin" in xapi.host.list_timezones(host)
    made.later(xapi.host.set_timezone, host, xapi.host.get_timezone(host))
    xapi.host.set_timezone(host, "Europe/Berlin")
    assert xapi.host.get_timezone(host) == "Europe/Berlin"
    assert refusal(xapi.host.set_timezone, host, "Nowhere")[0] == "INVALID_VALUE"


@pytest.mark.requires("host.set_ntp_custom_servers")
def test_no_servers_are_no_mode(xapi: Any, made: Made, host: str) -> None:
    """INVALID_NTP_CONFIG for the mode Custom without servers."""
    if xapi.host.get_ntp_mode(host) == "Custom":
        pytest.skip("this host follows servers of its own")
    made.later(xapi.host.set_ntp_custom_servers, host, xapi.host.get_ntp_custom_servers(host))
    xapi.host.set_ntp_custom_servers(host, [])
    assert refusal(xapi.host.set_ntp_mode, host, "Custom")[0] == "INVALID_NTP_CONFIG"


@pytest.mark.requires("host.set_servertime")
def test_a_clock_that_follows_servers_is_not_set_by_hand(xapi: Any, host: str) -> None:
    """NOT_ALLOWED_WHEN_NTP_IS_ENABLED [host]."""
    if xapi.host.get_ntp_mode(host) == "Disabled":
        pytest.skip("this host follows no servers")
    assert refusal(xapi.host.set_servertime, host, xapi.host.get_servertime(host)) == ["NOT_ALLOWED_WHEN_NTP_IS_ENABLED", host]


@pytest.mark.requires("host.set_sched_gran")
def test_what_xen_schedules_as_one(xapi: Any, made: Made, host: str) -> None:
    """host.set_sched_gran is read back, before the next boot too."""
    before = xapi.host.get_sched_gran(host)
    made.later(xapi.host.set_sched_gran, host, before)
    wanted = "core" if before != "core" else "cpu"
    xapi.host.set_sched_gran(host, wanted)
    assert xapi.host.get_sched_gran(host) == wanted


@pytest.mark.requires("host.set_max_cstate")
def test_depths_of_sleep_that_are_none(xapi: Any, host: str) -> None:
    """INVALID_VALUE ["max_cstate", value]."""
    assert refusal(xapi.host.set_max_cstate, host, "deep") == ["INVALID_VALUE", "max_cstate", "deep"]


@pytest.mark.rule("host.dmesg and others")
@pytest.mark.requires("host.dmesg")
def test_xen_s_messages_are_text(xapi: Any, host: str) -> None:
    """host.dmesg: lines that Xen has written."""
    assert "(XEN)" in xapi.host.dmesg(host)


@pytest.mark.rule("host.dmesg and others")
@pytest.mark.requires("host.get_system_status_capabilities")
def test_what_a_bug_report_may_hold(xapi: Any, host: str) -> None:
    """host.get_system_status_capabilities: XML with a key for each part."""
    keys: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: keys.append(attributes["key"]) if name == "capability" else None
    parser.Parse(xapi.host.get_system_status_capabilities(host), True)
    assert {"xenserver-logs", "system-logs", "network-status"} <= set(keys)


@pytest.mark.requires("pool.set_ext_auth_cache_size")
@pytest.mark.parametrize(("name", "value"), [("size", "-1"), ("expiry", "0")])
def test_caches_that_are_none(xapi: Any, pool: str, name: str, value: str) -> None:
    """INVALID_VALUE [name, value]: no size below 0, no time that is none."""
    assert refusal(getattr(xapi.pool, f"set_ext_auth_cache_{name}"), pool, value) == ["INVALID_VALUE", name, value]


@pytest.mark.requires("Cluster.create")
def test_a_cluster_stack_that_is_none(xapi: Any, pool: str, network: str) -> None:
    """INVALID_CLUSTER_STACK [stack]."""
    if xapi.pool.get_restrictions(pool).get("restrict_corosync") == "true" or xapi.Cluster.get_all():
        pytest.skip("this pool has no licence for a cluster, or has one")
    assert refusal(xapi.Cluster.pool_create, network, "contract", 20.0, 1.0) == ["INVALID_CLUSTER_STACK", "contract"]


@pytest.mark.requires("SDN_controller.introduce")
@pytest.mark.parametrize(
    ("protocol", "address", "told"),
    [("ssl", "nowhere", "INVALID_IP_ADDRESS_SPECIFIED"), ("pssl", "10.0.0.9", "OPERATION_NOT_ALLOWED")],
)
def test_controllers_that_are_none(xapi: Any, protocol: str, address: str, told: str) -> None:
    """INVALID_IP_ADDRESS_SPECIFIED for what is no address; OPERATION_NOT_ALLOWED for one where the controller calls."""
    if xapi.SDN_controller.get_all():
        pytest.skip("this pool has a controller")
    assert refusal(xapi.SDN_controller.introduce, protocol, address, "0")[0] == told


@pytest.mark.requires("PVS_site.introduce")
def test_a_site_of_provisioning_services(xapi: Any, made: Made, pool: str) -> None:
    """PVS_site.introduce and forget; PVS_SITE_CONTAINS_SERVERS [servers] between."""
    if xapi.pool.get_restrictions(pool).get("restrict_pvs_proxy") == "true":
        pytest.skip("this pool has no licence for it")
    site = xapi.PVS_site.introduce(made.name(), "", "contract")
    made.later(xapi.PVS_site.forget, site)
    server = xapi.PVS_server.introduce(["192.0.2.77"], "6910", "6930", site)
    made.later(xapi.PVS_server.forget, server)
    assert refusal(xapi.PVS_site.forget, site) == ["PVS_SITE_CONTAINS_SERVERS", server]
    assert refusal(xapi.PVS_server.introduce, ["192.0.2.77"], "1", "2", site) == ["PVS_SERVER_ADDRESS_IN_USE", "192.0.2.77"]
