"""Hosts are disabled and enabled, and what a host that works refuses. No host is ever let go down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contract_tests.made import Made
from contract_tests.refusals import refusal

pytestmark = pytest.mark.alone
GOING_DOWN = frozenset({"reboot", "shutdown"})


@pytest.fixture
def disabled(xapi: Any, host: str) -> Iterator[str]:
    """The master, on which no VM may start for the time of the test."""
    xapi.host.disable(host)
    yield host
    xapi.host.enable(host)


@pytest.fixture(scope="module")
def alone(xapi: Any, host: str) -> str:
    """The only host of the pool."""
    if xapi.host.get_all() != [host]:
        pytest.skip("the pool has several hosts")
    return host


@pytest.mark.rule("host.reboot and shutdown HOST_NOT_DISABLED")
@pytest.mark.parametrize("message", ["reboot", "shutdown"])
def test_an_enabled_host_does_not_go_down(xapi: Any, host: str, message: str) -> None:
    """Semantics 10, reboot and shutdown: enabled -> HOST_NOT_DISABLED []."""
    assert xapi.host.get_enabled(host) is True
    assert refusal(getattr(xapi.host, message), host) == ["HOST_NOT_DISABLED"]


@pytest.mark.rule("host.disable", "host allowed operations")
def test_a_disabled_host_may_go_down_and_no_more(xapi: Any, disabled: str) -> None:
    """Semantics 10, disable: enabled is false, and what may be done follows."""
    record = xapi.host.get_record(disabled)
    assert record["enabled"] is False
    assert set(record["allowed_operations"]) >= GOING_DOWN


@pytest.mark.rule("host allowed operations")
def test_an_enabled_host_lists_no_way_down(xapi: Any, host: str) -> None:
    """Semantics 10: allowed_operations and refusals agree."""
    assert not GOING_DOWN & set(xapi.host.get_allowed_operations(host))


@pytest.mark.rule("VM.start_on check 2")
def test_a_disabled_host_starts_nothing_of_the_callers_choice(xapi: Any, made: Made, disabled: str) -> None:
    """Semantics 5.6, row 2: HOST_DISABLED [host]."""
    assert refusal(xapi.VM.start_on, made.vm(), disabled, False, False) == ["HOST_DISABLED", disabled]


@pytest.mark.rule("VM.assert_can_boot_here")
def test_a_disabled_host_is_no_possible_host(xapi: Any, made: Made, disabled: str) -> None:
    """Semantics 5.6: get_possible_hosts returns those that pass every check."""
    assert disabled not in xapi.VM.get_possible_hosts(made.vm())


@pytest.mark.rule("VM.start NO_HOSTS_AVAILABLE")
def test_the_only_host_disabled_leaves_no_place(xapi: Any, made: Made, alone: str, disabled: str) -> None:
    """Semantics 5.6: nothing -> NO_HOSTS_AVAILABLE []."""
    assert alone == disabled
    assert refusal(xapi.VM.start, made.vm(), False, False) == ["NO_HOSTS_AVAILABLE"]


@pytest.mark.rule("host.enable")
def test_enabling_is_told(xapi: Any, host: str) -> None:
    """Semantics 10, enable: enabled is true again, however often it is asked for."""
    xapi.host.disable(host)
    xapi.host.enable(host)
    xapi.host.enable(host)
    assert xapi.host.get_enabled(host) is True


@pytest.mark.rule("host.power_on HOST_IS_LIVE")
def test_a_host_that_runs_is_not_switched_on(xapi: Any, host: str) -> None:
    """Semantics 10, power_on: live -> HOST_IS_LIVE [host]."""
    assert refusal(xapi.host.power_on, host) == ["HOST_IS_LIVE", host]


@pytest.mark.rule("host.declare_dead")
@pytest.mark.requires("host.declare_dead")
def test_a_host_that_runs_is_not_declared_dead(xapi: Any, host: str) -> None:
    """Semantics 10, declare_dead: a live host is none."""
    assert refusal(xapi.host.declare_dead, host) == ["HOST_IS_LIVE", host]


@pytest.mark.rule("host.destroy")
def test_a_host_that_runs_is_not_forgotten(xapi: Any, host: str) -> None:
    """Semantics 10, destroy of a live host: HOST_IS_LIVE [host]."""
    assert refusal(xapi.host.destroy, host) == ["HOST_IS_LIVE", host]


@pytest.mark.rule("host.assert_can_evacuate")
def test_an_empty_host_can_be_emptied(xapi: Any, alone: str) -> None:
    """Semantics 10, assert_can_evacuate: nothing is in the way where nothing runs."""
    if _guests(xapi, alone):
        pytest.skip("VMs run on the host")
    xapi.host.assert_can_evacuate(alone)
    assert xapi.host.get_vms_which_prevent_evacuation(alone) == {}


@pytest.mark.rule("host.get_vms_which_prevent_evacuation")
def test_a_vm_that_runs_on_the_only_host_cannot_leave(xapi: Any, alone: str, running: str) -> None:
    """Semantics 10, get_vms_which_prevent_evacuation: vm -> [code, params...]."""
    assert xapi.host.get_vms_which_prevent_evacuation(alone)[running] == ["NO_HOSTS_AVAILABLE", running]


@pytest.mark.rule("host.assert_can_evacuate")
def test_why_a_host_cannot_be_emptied_is_one_text(xapi: Any, alone: str, running: str) -> None:
    """Semantics 10, assert_can_evacuate: CANNOT_EVACUATE_HOST ["CODE,p1|CODE,..."] (a single string)."""
    code, text = refusal(xapi.host.assert_can_evacuate, alone)
    assert code == "CANNOT_EVACUATE_HOST"
    assert f"NO_HOSTS_AVAILABLE,{running}" in text.split("|")


@pytest.mark.rule("host.evacuate")
def test_the_only_host_is_not_emptied(xapi: Any, alone: str, running: str) -> None:
    """Semantics 10, evacuate: NO_HOSTS_AVAILABLE [vm], and the VM runs on."""
    refused = refusal(xapi.host.evacuate, alone)
    assert (refused[0], refused[1] in _guests(xapi, alone)) == ("NO_HOSTS_AVAILABLE", True)
    assert xapi.VM.get_power_state(running) == "Running"


def _guests(xapi: Any, host: str) -> list[str]:
    return [vm for vm in xapi.host.get_resident_VMs(host) if not xapi.VM.get_is_control_domain(vm)]


@pytest.mark.rule("emergency mode")
def test_a_host_with_its_master_is_in_no_emergency(xapi: Any) -> None:
    """Semantics 2: emergency mode is of hosts that cannot reach their master."""
    assert xapi.host.is_in_emergency_mode() is False
