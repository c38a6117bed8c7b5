"""The pool: its master, what it refuses, and high availability while it is off. Nothing here changes who belongs to the pool."""

from __future__ import annotations

import urllib.parse
from dataclasses import replace
from typing import Any

import pytest

from contract_tests.refusals import refusal
from contract_tests.target import Target


@pytest.fixture(scope="module")
def pool(xapi: Any) -> str:
    """The pool, with high availability off."""
    found: str = xapi.pool.get_all()[0]
    if xapi.pool.get_ha_enabled(found):
        pytest.skip("high availability is on")
    return found


@pytest.fixture(scope="module")
def alone(xapi: Any, host: str) -> str:
    """The address of the only host of the pool."""
    if xapi.host.get_all() != [host]:
        pytest.skip("the pool has several hosts")
    address: str = xapi.host.get_address(host)
    return address


@pytest.fixture(scope="module")
def member(xapi: Any, pool: str) -> str:
    """A host that is not the master."""
    master = xapi.pool.get_master(pool)
    others = [host for host in xapi.host.get_all() if host != master]
    if not others:
        pytest.skip("the pool has no host but its master")
    return str(others[0])


def test_the_master_is_the_host_that_was_logged_in_to(xapi: Any, session: Any, pool: str) -> None:
    """Semantics 2: this_host is the host logged in to, and only a master lets anybody log in."""
    assert xapi.session.get_this_host(session.handle) == xapi.pool.get_master(pool)


@pytest.mark.rule("pool.is_slave")
def test_a_master_is_no_slave(xapi: Any, pool: str) -> None:
    """Semantics 10: is_slave of the master is false."""
    assert xapi.pool.is_slave(xapi.pool.get_master(pool)) is False


@pytest.mark.rule("pool.recover_slaves")
def test_every_host_knows_its_master(xapi: Any, pool: str) -> None:
    """Semantics 10, recover_slaves: the set of hosts that had to be told is empty in a healthy pool."""
    assert pool
    assert xapi.pool.recover_slaves() == []


@pytest.mark.rule("pool.join itself")
def test_a_host_does_not_join_itself(xapi: Any, alone: str, target: Target) -> None:
    """Semantics 10, pool.join: OPERATION_NOT_ALLOWED ["Host cannot become slave of itself"]."""
    refused = refusal(xapi.pool.join, alone, target.user, target.password)
    assert refused == ["OPERATION_NOT_ALLOWED", "Host cannot become slave of itself"]


@pytest.mark.rule("pool.join itself")
def test_force_does_not_make_a_host_its_own_master(xapi: Any, alone: str, target: Target) -> None:
    """Semantics 10, pool.join_force: only differences of hardware and software are passed over."""
    refused = refusal(xapi.pool.join_force, alone, target.user, target.password)
    assert refused == ["OPERATION_NOT_ALLOWED", "Host cannot become slave of itself"]


@pytest.mark.rule("pool.join SESSION_AUTHENTICATION_FAILED")
def test_a_master_is_not_joined_with_a_wrong_password(xapi: Any, alone: str, target: Target) -> None:
    """Semantics 10, pool.join: bad credentials SESSION_AUTHENTICATION_FAILED."""
    assert refusal(xapi.pool.join, alone, target.user, target.password + "x")[:2] == ["SESSION_AUTHENTICATION_FAILED", target.user]


@pytest.mark.rule("pool.eject of the master")
def test_the_master_is_not_ejected(xapi: Any, pool: str) -> None:
    """Semantics 10, pool.eject: the master cannot be ejected."""
    code, text = refusal(xapi.pool.eject, xapi.pool.get_master(pool))
    assert code == "INTERNAL_ERROR"
    assert "eject_master" in text


@pytest.mark.rule("pool.disable_ha")
def test_ha_that_is_off_is_not_switched_off(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: HA_NOT_ENABLED []."""
    assert pool
    assert refusal(xapi.pool.disable_ha) == ["HA_NOT_ENABLED"]


@pytest.mark.rule("HA fields")
def test_ha_that_is_off_shows_nothing(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: the fields of pool and host while it is off."""
    record = xapi.pool.get_record(pool)
    shown = {name: record[name] for name in ("ha_statefiles", "ha_configuration", "ha_plan_exists_for", "ha_overcommitted")}
    assert shown == {"ha_statefiles": [], "ha_configuration": {}, "ha_plan_exists_for": "0", "ha_overcommitted": False}
    assert {tuple(xapi.host.get_ha_statefiles(host)) for host in xapi.host.get_all()} == {()}


@pytest.mark.rule("pool.enable_ha")
def test_ha_needs_storage_that_is_shared(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED [SR] for storage of one host."""
    local = [sr for sr, row in xapi.SR.get_all_records().items() if not row["shared"] and row["content_type"] == "user"]
    if not local:
        pytest.skip("no SR here is a host's own")
    assert pool
    assert refusal(xapi.pool.enable_ha, [local[0]], {}) in (
        ["HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", local[0]],
        ["LICENCE_RESTRICTION", "HA"],
    )


@pytest.mark.rule("HA plans")
def test_no_failure_is_always_planned_for(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: a plan for no failures exists in every pool."""
    assert pool
    assert xapi.pool.ha_failover_plan_exists(0) is True


@pytest.mark.rule("HA plans")
def test_more_failures_than_hosts_are_not_planned_for(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: somebody has to be left."""
    assert pool
    assert xapi.pool.ha_failover_plan_exists(len(xapi.host.get_all())) is False


@pytest.mark.rule("HA plans")
def test_the_most_failures_leave_a_host(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: with nothing to protect all hosts but one may fail."""
    assert pool
    assert xapi.pool.ha_compute_hypothetical_max_host_failures_to_tolerate({}) == str(len(xapi.host.get_all()) - 1)


@pytest.mark.rule("HA plans")
def test_nothing_fails_without_a_failed_host(xapi: Any, pool: str) -> None:
    """Semantics 10, HA: the plan for no hosts has no VMs."""
    assert pool
    assert xapi.pool.ha_compute_vm_failover_plan([], []) == {}


@pytest.mark.rule("rolling upgrade")
def test_no_upgrade_is_under_way_among_equals(xapi: Any, pool: str) -> None:
    """Semantics 10: rolling_upgrade_in_progress appears when software versions differ, and only then."""
    versions = {xapi.host.get_software_version(host)["product_version"] for host in xapi.host.get_all()}
    assert ("rolling_upgrade_in_progress" in xapi.pool.get_other_config(pool)) is (len(versions) > 1)


@pytest.mark.rule("session.login HOST_IS_SLAVE")
def test_a_member_sends_callers_to_the_master(xapi: Any, pool: str, member: str, target: Target) -> None:
    """Semantics 2, login on a slave: HOST_IS_SLAVE [master address] before the password is looked at."""
    master = xapi.host.get_address(xapi.pool.get_master(pool))
    with _at(target, xapi.host.get_address(member)).dialled() as client:
        assert refusal(client.login_with_password, target.user, "not the password") == ["HOST_IS_SLAVE", master]


@pytest.mark.rule("session.slave_local_login_with_password", "HOST_IS_SLAVE of a call")
def test_a_member_has_sessions_of_its_own(xapi: Any, member: str, target: Target) -> None:
    """Semantics 2, slave_local_login_with_password: works on slaves, for what is the host's own."""
    with _at(target, xapi.host.get_address(member)).dialled() as client:
        client.slave_local_login_with_password(target.user, target.password)
        assert client.xenapi.host.is_in_emergency_mode() is False
        client.logout()


def _at(target: Target, address: str) -> Target:
    parts = urllib.parse.urlsplit(target.url)
    port = f":{parts.port}" if parts.port else ""
    return replace(target, url=f"{parts.scheme}://{address}{port}")


@pytest.mark.rule("pool.join of nobody")
def test_a_master_that_nobody_is_is_not_joined(xapi: Any) -> None:
    """JOINING_HOST_SERVICE_FAILED or JOINING_HOST_CONNECTION_FAILED, after what the pool itself forbids."""
    assert refusal(xapi.pool.join, "no-such-host.invalid", "root", "x")[0].startswith("JOINING_HOST_")
