"""Guests: what they tell of themselves, when that comes and goes, and what may be asked of them through their host.

A guest without an operating system tells nothing: then only a template that the operator names gives one to look at.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from contract_tests.made import MIB, Made
from contract_tests.refusals import NULL, refusal
from contract_tests.suite.conftest import booted
from contract_tests.target import Target
from contract_tests.waiting import until

BOOT_S: Final = 30.0
NETWORK_KEY: Final = re.compile(r"\d+/(ip|ipv4/\d+|ipv6/\d+)")
DRIVER_KEYS: Final = frozenset({"major", "minor", "micro", "build", "application", "xenevtchn", "xenvbd", "xennet"})
SYSTEM_KEYS: Final = frozenset({"name", "uname", "distro", "major", "minor", "spmajor", "spminor"})
FEATURES: Final = frozenset({"feature-shutdown", "feature-reboot", "feature-suspend", "feature-poweroff"})
RATE_LIMIT: Final = "VM_CALL_PLUGIN_RATE_LIMIT"


@pytest.fixture(scope="module")
def talking(shared: Made, target: Target) -> str:
    """A running VM whose guest has told its host about itself."""
    vm = booted(shared, target)
    return told(shared.xapi, vm)


def told(xapi: Any, vm: str) -> str:
    """The VM once its guest's agent is up; the test is passed over where there is none."""
    try:
        until(lambda: metrics_of(xapi, vm).get("live"), "the guest's agent", BOOT_S)
    except AssertionError:
        pytest.skip("this guest tells nothing; name a template whose guests have drivers with --xapi-template")
    return vm


def metrics_of(xapi: Any, vm: str) -> dict[str, Any]:
    """The guest metrics of a VM; empty when it has none."""
    ref = xapi.VM.get_guest_metrics(vm)
    record: dict[str, Any] = xapi.VM_guest_metrics.get_record(ref) if ref != NULL else {}
    return record


def test_a_new_vm_has_no_guest(xapi: Any, halted: str) -> None:
    """VM_guest_metrics: made when the guest speaks first."""
    assert xapi.VM.get_guest_metrics(halted) == NULL


@pytest.mark.rule("VM_guest_metrics")
def test_a_guest_names_its_system(xapi: Any, talking: str) -> None:
    """VM_guest_metrics.os_version: a name at least, and no key that is not known; clients wait for the name."""
    system = metrics_of(xapi, talking)["os_version"]
    assert system["name"]
    assert set(system) <= SYSTEM_KEYS


@pytest.mark.rule("VM_guest_metrics")
def test_a_guest_names_its_drivers(xapi: Any, talking: str) -> None:
    """VM_guest_metrics.PV_drivers_version: numbers, and a micro version whatever the drivers are."""
    metrics = metrics_of(xapi, talking)
    version = metrics["PV_drivers_version"]
    assert {"major", "minor", "micro"} <= set(version) <= DRIVER_KEYS
    assert version["major"].isdecimal()


@pytest.mark.requires("VM_guest_metrics.get_PV_drivers_detected")
def test_drivers_that_told_their_version_were_detected(xapi: Any, talking: str) -> None:
    """VM_guest_metrics.PV_drivers_detected."""
    assert metrics_of(xapi, talking)["PV_drivers_detected"] is True


@pytest.mark.rule("VM_guest_metrics")
def test_networks_of_a_guest_have_the_keys_of_their_interfaces(xapi: Any, talking: str) -> None:
    """VM_guest_metrics.networks: `0/ip`, `0/ipv4/0`, `0/ipv6/0`."""
    assert [key for key in metrics_of(xapi, talking)["networks"] if not NETWORK_KEY.fullmatch(key)] == []


@pytest.mark.rule("VM_guest_metrics")
def test_a_guest_says_what_it_can_be_asked_for(xapi: Any, talking: str) -> None:
    """VM_guest_metrics.other: the keys below `control` of the domain's xenstore."""
    assert FEATURES & set(metrics_of(xapi, talking)["other"])


@pytest.mark.rule("VM_guest_metrics")
def test_memory_and_disks_of_a_guest_are_measured_elsewhere(xapi: Any, talking: str) -> None:
    """VM_guest_metrics.memory and .disks are there and empty: data sources have them."""
    metrics = metrics_of(xapi, talking)
    assert (metrics["memory"], metrics["disks"]) == ({}, {})


@pytest.mark.rule("VM allowed running")
def test_a_guest_that_is_up_can_be_asked_to_go(xapi: Any, talking: str) -> None:
    """allowed_operations of a running VM with drivers has clean_shutdown, clean_reboot and suspend: installers wait for suspend."""
    assert {"clean_shutdown", "clean_reboot", "suspend"} <= set(xapi.VM.get_allowed_operations(talking))


@pytest.mark.rule("VM halted row")
def test_guest_metrics_stay_when_the_vm_halts_and_are_new_after_a_start(xapi: Any, made: Made, target: Target) -> None:
    """Row effects: guest_metrics stays until the next start, which begins with another."""
    vm = told(xapi, booted(made, target))
    before = xapi.VM.get_guest_metrics(vm)
    xapi.VM.clean_shutdown(vm)
    assert xapi.VM.get_guest_metrics(vm) == before
    xapi.VM.start(vm, False, False)
    told(xapi, vm)
    assert xapi.VM.get_guest_metrics(vm) != before
    assert refusal(xapi.VM_guest_metrics.get_record, before)[0] == "HANDLE_INVALID"


@pytest.mark.rule("VM suspended row")
def test_a_guest_keeps_its_metrics_over_a_suspend(xapi: Any, made: Made, target: Target) -> None:
    """A guest that is woken is the same guest."""
    vm = told(xapi, booted(made, target))
    before = metrics_of(xapi, vm)["os_version"]
    xapi.VM.suspend(vm)
    xapi.VM.resume(vm, False, False)
    assert metrics_of(xapi, vm)["os_version"] == before


# ---- xenstore data ---------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("xenstore_data")
def test_xenstore_data_are_written_while_the_vm_runs(xapi: Any, guest: str) -> None:
    """VM.xenstore_data: add_to, remove_from and set of a running VM are kept."""
    xapi.VM.add_to_xenstore_data(guest, "vm-data/contract", "1")
    assert xapi.VM.get_xenstore_data(guest)["vm-data/contract"] == "1"
    xapi.VM.remove_from_xenstore_data(guest, "vm-data/contract")
    assert "vm-data/contract" not in xapi.VM.get_xenstore_data(guest)
    xapi.VM.set_xenstore_data(guest, {"vm-data/other": "2"})
    assert xapi.VM.get_xenstore_data(guest)["vm-data/other"] == "2"


def test_xenstore_data_have_each_key_once(xapi: Any, made: Made) -> None:
    """MAP_DUPLICATE_KEY ["VM", "xenstore_data", vm, key]."""
    vm = made.vm(xenstore_data={"vm-data/a": "1"})
    assert refusal(xapi.VM.add_to_xenstore_data, vm, "vm-data/a", "2") == ["MAP_DUPLICATE_KEY", "VM", "xenstore_data", vm, "vm-data/a"]


@pytest.mark.rule("xenstore_data")
def test_keys_outside_vm_data_are_kept_though_no_guest_sees_them(xapi: Any, made: Made) -> None:
    """VM.xenstore_data takes any key."""
    vm = made.vm(xenstore_data={"elsewhere": "1", "vm-data/a": "2"})
    assert xapi.VM.get_xenstore_data(vm) == {"elsewhere": "1", "vm-data/a": "2"}


# ---- endings ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["destroy", "restart", "preserve", "coredump_and_destroy", "coredump_and_restart", "rename_restart"])
def test_what_follows_a_crash_can_be_chosen(xapi: Any, made: Made, action: str) -> None:
    """actions_after_crash: each value of the enum."""
    vm = made.vm(actions_after_crash=action)
    assert xapi.VM.get_actions_after_crash(vm) == action


@pytest.mark.parametrize("field", ["actions_after_shutdown", "actions_after_reboot"])
@pytest.mark.parametrize("action", ["destroy", "restart"])
def test_what_follows_an_end_can_be_chosen(xapi: Any, made: Made, field: str, action: str) -> None:
    """actions_after_shutdown, actions_after_reboot: the values that every release has."""
    vm = made.vm()
    getattr(xapi.VM, f"set_{field}")(vm, action)
    assert getattr(xapi.VM, f"get_{field}")(vm) == action


def test_an_action_that_is_none_is_refused(xapi: Any, made: Made) -> None:
    """INVALID_VALUE for a word outside the enum; releases differ in what they say with it."""
    vm = made.vm()
    assert refusal(xapi.VM.set_actions_after_reboot, vm, "dance")[0] in {"INVALID_VALUE", "INTERNAL_ERROR", "VALUE_NOT_SUPPORTED"}


# ---- memory ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VM_metrics")
def test_memory_follows_its_target(xapi: Any, made: Made, target: Target) -> None:
    """VM_metrics.memory_actual comes to the target of a guest with drivers, and wait_memory_target_live waits for it."""
    vm = told(xapi, booted(made, target, memory_dynamic_min=str(128 * MIB), memory_static_min=str(64 * MIB)))
    if target.template:
        pytest.skip("the limits of a named template are its operator's")
    xapi.VM.set_memory_dynamic_range(vm, str(128 * MIB), str(128 * MIB))
    xapi.VM.wait_memory_target_live(vm)
    actual = int(xapi.VM_metrics.get_memory_actual(xapi.VM.get_metrics(vm)))
    assert abs(actual - 128 * MIB) <= 8 * MIB
    assert xapi.VM.get_cooperative(vm) is True


@pytest.mark.rule("host.dmesg and others")
def test_nobody_is_uncooperative_without_a_reason(xapi: Any, host: str, talking: str) -> None:
    """host.get_uncooperative_resident_VMs leaves out guests whose balloons obey."""
    assert talking not in xapi.host.get_uncooperative_resident_VMs(host)


# ---- what XAPI does not have, and what it asks of agents -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["send_sysrq", "send_trigger"])
def test_keys_and_triggers_are_not_implemented(xapi: Any, running: str, name: str) -> None:
    """NOT_IMPLEMENTED [name]."""
    assert refusal(getattr(xapi.VM, name), running, "x") == ["NOT_IMPLEMENTED", name]


@pytest.mark.rule("VM.call_plugin")
@pytest.mark.requires("VM.call_plugin")
def test_only_one_plugin_asks_guests(xapi: Any, running: str) -> None:
    """VM.call_plugin: XENAPI_MISSING_PLUGIN [plugin] for any but guest-agent-operation."""
    assert refusal(xapi.VM.call_plugin, running, "x", "main", {}) == ["XENAPI_MISSING_PLUGIN", "x"]


@pytest.mark.rule("VM.call_plugin")
@pytest.mark.requires("VM.call_plugin")
def test_a_guest_is_asked_for_what_is_known_and_not_too_often(xapi: Any, guest: str) -> None:
    """XENAPI_PLUGIN_FAILURE ["failed to find fn", text, text]; the next call within ten seconds VM_CALL_PLUGIN_RATE_LIMIT [vm, s, s]."""
    text = 'The requested fn "dance" could not be found in plugin "guest-agent-operation".'
    known = (guest, "guest-agent-operation", "dance")
    assert refusal(xapi.VM.call_plugin, *known, {}) == ["XENAPI_PLUGIN_FAILURE", "failed to find fn", text, text]
    code, vm, interval, wait = refusal(xapi.VM.call_plugin, *known, {})
    assert (code, vm) == (RATE_LIMIT, guest)
    assert 0 < float(wait) <= float(interval)
