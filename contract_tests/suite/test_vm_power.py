"""Power: what each operation does to a VM and its devices, and in which states it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import HARDWARE, Made
from contract_tests.refusals import NEVER, NULL, refusal
from contract_tests.waiting import finished, until

# Operation: the states that allow it, in the words and the order of the error.
STATES = {
    "start": "halted",
    "start_on": "halted",
    "clone": "halted",
    "copy": "halted",
    "pause": "running",
    "unpause": "paused",
    "clean_shutdown": "running",
    "clean_reboot": "running",
    "hard_reboot": "paused, running",
    "hard_shutdown": "paused, suspended, running",
    "suspend": "running",
    "resume": "suspended",
    "resume_on": "suspended",
    "checkpoint": "paused, suspended, running",
    "destroy": "halted, suspended",
}
REFUSED = [
    (state, operation)
    for state in ("halted", "running", "paused", "suspended")
    for operation, allowed in STATES.items()
    if state not in allowed.split(", ")
]


@pytest.fixture
def perform(xapi: Any, made: Made, host: str) -> Any:
    """Perform an operation on a VM by its name."""
    more = {
        "start": (False, False),
        "start_on": (host, False, False),
        "resume": (False, False),
        "resume_on": (host, False, False),
        "clone": (made.name(),),
        "copy": (made.name(), NULL),
        "checkpoint": (made.name(),),
    }

    def call(operation: str, vm: str) -> Any:
        return getattr(xapi.VM, operation)(vm, *more.get(operation, ()))

    return call


@pytest.mark.rule("VM states", "VM check 2")
@pytest.mark.parametrize(("state", "operation"), REFUSED)
def test_an_operation_in_the_wrong_state_is_refused(request: pytest.FixtureRequest, perform: Any, state: str, operation: str) -> None:
    """VM_BAD_POWER_STATE [vm, the states that allow it, the state that it has], in lower case."""
    vm = request.getfixturevalue(state)
    assert refusal(perform, operation, vm) == ["VM_BAD_POWER_STATE", vm, STATES[operation], state]


@pytest.mark.rule("VM.start", "VM running row", "VM_metrics")
def test_a_started_vm_runs_on_a_host(xapi: Any, running: str, host: str) -> None:
    """A running VM has a domain, a host, processors and a start time."""
    record = xapi.VM.get_record(running)
    assert (record["power_state"], record["resident_on"]) == ("Running", host)
    assert int(record["domid"]) > 0
    metrics = xapi.VM_metrics.get_record(record["metrics"])
    assert metrics["start_time"].value > NEVER
    assert metrics["VCPUs_number"] == record["VCPUs_at_startup"]
    assert record["current_operations"] == {}


@pytest.mark.rule("VM running row")
def test_a_guest_that_is_up_is_measured(xapi: Any, running: str) -> None:
    """A guest with PV drivers tells its host about itself: VM_guest_metrics comes after the start."""
    metrics = until(lambda: xapi.VM.get_guest_metrics(running).replace(NULL, ""), "the guest's metrics")
    assert xapi.VM_guest_metrics.get_record(metrics)["last_updated"].value > NEVER


@pytest.mark.rule("VM consoles")
def test_a_running_vm_has_a_screen(xapi: Any, running: str) -> None:
    """A console over RFB, whose location names it."""
    consoles = {ref: xapi.console.get_record(ref) for ref in xapi.VM.get_consoles(running)}
    screens = [console for console in consoles.values() if console["protocol"] == "rfb"]
    assert len(screens) == 1
    assert screens[0]["VM"] == running
    assert screens[0]["location"].startswith("https://")
    assert screens[0]["location"].endswith(f"/console?uuid={screens[0]['uuid']}")


@pytest.mark.rule("VM.start")
def test_a_vm_may_start_paused(xapi: Any, made: Made) -> None:
    """Start with start_paused ends Paused, with a domain."""
    vm = made.vm(HARDWARE)
    xapi.VM.start(vm, True, False)
    assert xapi.VM.get_power_state(vm) == "Paused"
    domid = xapi.VM.get_domid(vm)
    assert int(domid) > 0
    xapi.VM.unpause(vm)
    assert (xapi.VM.get_power_state(vm), xapi.VM.get_domid(vm)) == ("Running", domid)


@pytest.mark.rule("VM.start_on")
def test_a_vm_may_start_on_a_named_host(xapi: Any, made: Made, host: str) -> None:
    """start_on runs the VM on the host that was named."""
    vm = made.vm(HARDWARE)
    xapi.VM.start_on(vm, host, False, False)
    assert (xapi.VM.get_power_state(vm), xapi.VM.get_resident_on(vm)) == ("Running", host)


@pytest.mark.rule("VM.pause and unpause")
def test_pausing_keeps_the_domain(xapi: Any, guest: str) -> None:
    """Pause and unpause change the state and nothing of the domain."""
    domid = xapi.VM.get_domid(guest)
    xapi.VM.pause(guest)
    assert (xapi.VM.get_power_state(guest), xapi.VM.get_domid(guest)) == ("Paused", domid)
    xapi.VM.unpause(guest)
    assert (xapi.VM.get_power_state(guest), xapi.VM.get_domid(guest)) == ("Running", domid)


@pytest.mark.rule("VM.clean_shutdown")
@pytest.mark.parametrize("operation", ["clean_shutdown", "hard_shutdown"])
def test_a_shutdown_leaves_no_domain(xapi: Any, guest: str, operation: str) -> None:
    """A halted VM has no domain, no host and no console."""
    getattr(xapi.VM, operation)(guest)
    record = xapi.VM.get_record(guest)
    assert (record["power_state"], record["domid"], record["resident_on"]) == ("Halted", "-1", NULL)
    assert record["consoles"] == []
    assert xapi.VM_metrics.get_VCPUs_number(record["metrics"]) == "0"


@pytest.mark.rule("VM halted row")
def test_a_shutdown_detaches_the_devices(xapi: Any, made: Made, disk: str) -> None:
    """Devices are attached while a VM runs and detached when it is halted."""
    vm = made.vm(HARDWARE)
    vbd, vif = made.vbd(vm, disk), made.vif(vm)
    assert (xapi.VBD.get_currently_attached(vbd), xapi.VIF.get_currently_attached(vif)) == (False, False)
    xapi.VM.start(vm, False, False)
    assert (xapi.VBD.get_currently_attached(vbd), xapi.VIF.get_currently_attached(vif)) == (True, True)
    assert xapi.VBD.get_device(vbd) != ""
    xapi.VM.hard_shutdown(vm)
    assert (xapi.VBD.get_currently_attached(vbd), xapi.VIF.get_currently_attached(vif)) == (False, False)


@pytest.mark.rule("VM.clean_reboot")
@pytest.mark.parametrize("operation", ["clean_reboot", "hard_reboot"])
def test_a_reboot_makes_a_new_domain(xapi: Any, guest: str, operation: str) -> None:
    """After a reboot the VM runs in a newer domain."""
    before = int(xapi.VM.get_domid(guest))
    getattr(xapi.VM, operation)(guest)
    assert xapi.VM.get_power_state(guest) == "Running"
    assert int(xapi.VM.get_domid(guest)) > before


@pytest.mark.rule("VM.hard_reboot")
def test_a_paused_vm_may_be_rebooted_hard(xapi: Any, guest: str) -> None:
    """hard_reboot of a paused VM ends Running."""
    xapi.VM.pause(guest)
    xapi.VM.hard_reboot(guest)
    assert xapi.VM.get_power_state(guest) == "Running"


@pytest.mark.rule("VM.hard_shutdown")
def test_a_paused_vm_may_be_shut_down_hard(xapi: Any, guest: str) -> None:
    """hard_shutdown of a paused VM ends Halted."""
    xapi.VM.pause(guest)
    xapi.VM.hard_shutdown(guest)
    assert xapi.VM.get_power_state(guest) == "Halted"


@pytest.mark.rule("VM.suspend", "VM suspend image")
def test_suspending_writes_an_image(xapi: Any, guest: str) -> None:
    """A suspended VM has no domain and no host, and a VDI of type suspend."""
    xapi.VM.suspend(guest)
    record = xapi.VM.get_record(guest)
    assert (record["power_state"], record["domid"], record["resident_on"]) == ("Suspended", "-1", NULL)
    assert xapi.VDI.get_type(record["suspend_VDI"]) == "suspend"


@pytest.mark.rule("VM.resume")
def test_resuming_removes_the_image(xapi: Any, guest: str, host: str) -> None:
    """After resume the VM runs and its suspend image is gone."""
    xapi.VM.suspend(guest)
    image = xapi.VM.get_suspend_VDI(guest)
    xapi.VM.resume(guest, False, False)
    record = xapi.VM.get_record(guest)
    assert (record["power_state"], record["resident_on"], record["suspend_VDI"]) == ("Running", host, NULL)
    assert refusal(xapi.VDI.get_record, image) == ["HANDLE_INVALID", "VDI", image]


@pytest.mark.rule("VM.resume")
def test_a_vm_may_resume_paused(xapi: Any, guest: str) -> None:
    """Resume with start_paused ends Paused."""
    xapi.VM.suspend(guest)
    xapi.VM.resume(guest, True, False)
    assert xapi.VM.get_power_state(guest) == "Paused"


@pytest.mark.rule("VM.suspend", "VM suspended row")
def test_devices_stay_attached_while_suspended(xapi: Any, made: Made, guest: str) -> None:
    """A suspended VM keeps its hold on its devices."""
    vif = made.vif(guest, device=xapi.VM.get_allowed_VIF_devices(guest)[0])
    xapi.VIF.plug(vif)
    xapi.VM.suspend(guest)
    assert xapi.VIF.get_currently_attached(vif) is True
    xapi.VM.hard_shutdown(guest)
    assert xapi.VIF.get_currently_attached(vif) is False


@pytest.mark.rule("VM.hard_shutdown")
def test_a_suspended_vm_may_be_shut_down_hard(xapi: Any, guest: str) -> None:
    """hard_shutdown of a suspended VM throws its image away."""
    xapi.VM.suspend(guest)
    image = xapi.VM.get_suspend_VDI(guest)
    xapi.VM.hard_shutdown(guest)
    assert (xapi.VM.get_power_state(guest), xapi.VM.get_suspend_VDI(guest)) == ("Halted", NULL)
    assert refusal(xapi.VDI.get_record, image) == ["HANDLE_INVALID", "VDI", image]


@pytest.mark.rule("VM.shutdown")
@pytest.mark.requires("VM.shutdown")
def test_shutdown_is_clean_or_hard(xapi: Any, guest: str) -> None:
    """Shutdown ends Halted."""
    xapi.VM.shutdown(guest)
    assert xapi.VM.get_power_state(guest) == "Halted"


@pytest.mark.rule("VM check 12")
@pytest.mark.parametrize("operation", ["clean_shutdown", "clean_reboot"])
def test_a_guest_without_drivers_cannot_be_asked(xapi: Any, server: Server, bare: str, operation: str) -> None:
    """Without PV drivers a guest hears no request: VM_LACKS_FEATURE [vm], in 2012 VM_MISSING_PV_DRIVERS [vm]."""
    code = server.as_of(boston="VM_MISSING_PV_DRIVERS", modern="VM_LACKS_FEATURE")
    assert refusal(getattr(xapi.VM, operation), bare) == [code, bare]


@pytest.mark.rule("VM.start")
def test_an_async_start_ends_running(xapi: Any, made: Made) -> None:
    """When the task has succeeded the VM runs."""
    vm = made.vm(HARDWARE)
    assert finished(xapi, made.keep_task(xapi.Async.VM.start(vm, False, False)))["status"] == "success"
    assert xapi.VM.get_power_state(vm) == "Running"


@pytest.mark.rule("VM.start_on check 8 HOST_NOT_ENOUGH_FREE_MEMORY")
def test_a_host_without_room_refuses(xapi: Any, made: Made, host: str) -> None:
    """HOST_NOT_ENOUGH_FREE_MEMORY [needed, available] in bytes."""
    vm = made.vm(HARDWARE, **dict.fromkeys(("memory_static_max", "memory_dynamic_max", "memory_dynamic_min"), str(2**43)))
    code, needed, available = refusal(xapi.VM.start_on, vm, host, False, False)
    assert code == "HOST_NOT_ENOUGH_FREE_MEMORY"
    assert int(needed) > 2**43 > int(available) >= 0
    assert xapi.VM.get_power_state(vm) == "Halted"
    assert xapi.VM.get_current_operations(vm) == {}


@pytest.mark.rule("VM.start VDI_IN_USE")
def test_a_disk_in_use_is_not_shared(xapi: Any, made: Made, disk: str) -> None:
    """A VM whose disk another one writes does not start: VDI_IN_USE [vdi]."""
    first, second = made.vm(HARDWARE), made.vm(HARDWARE)
    made.vbd(first, disk)
    made.vbd(second, disk)
    xapi.VM.start(first, False, False)
    assert refusal(xapi.VM.start, second, False, False)[:2] == ["VDI_IN_USE", disk]
    assert xapi.VM.get_power_state(second) == "Halted"


@pytest.mark.rule("VM.assert_can_boot_here")
def test_a_host_that_can_boot_it_is_possible(xapi: Any, made: Made, host: str) -> None:
    """get_possible_hosts names the hosts on which a VM could start, and assert_can_boot_here agrees."""
    vm = made.vm(HARDWARE)
    assert host in xapi.VM.get_possible_hosts(vm)
    assert xapi.VM.assert_can_boot_here(vm, host) == ""


@pytest.mark.rule("VM memory limits")
def test_memory_limits_have_an_order(xapi: Any, made: Made, server: Server) -> None:
    """static_min <= dynamic_min <= dynamic_max <= static_max."""
    vm = made.vm()
    before = xapi.VM.get_record(vm)
    expected = server.as_of(boston="MEMORY_CONSTRAINT_VIOLATION", modern="MEMORY_CONSTRAINT_VIOLATION_ORDER")
    assert refusal(xapi.VM.set_memory_limits, vm, str(2**28), str(2**28), str(2**29), str(2**29))[0] == expected
    after = xapi.VM.get_record(vm)
    assert [after[f"memory_{name}"] for name in ("static_max", "dynamic_max")] == [
        before["memory_static_max"],
        before["memory_dynamic_max"],
    ]


@pytest.mark.rule("VM memory limits")
def test_memory_limits_are_kept(xapi: Any, made: Made) -> None:
    """Four limits in their order are accepted."""
    vm = made.vm()
    xapi.VM.set_memory_limits(vm, str(2**28), str(2**29), str(2**29), str(2**29))
    names = ("static_min", "static_max", "dynamic_min", "dynamic_max")
    record = xapi.VM.get_record(vm)
    assert [record[f"memory_{name}"] for name in names] == [str(2**28), str(2**29), str(2**29), str(2**29)]


@pytest.mark.rule("VM.start_on check 1", "VM VCPUs")
def test_a_vm_starts_with_at_most_all_its_processors(xapi: Any, made: Made, server: Server) -> None:
    """0 < VCPUs_at_startup <= VCPUs_max."""
    vm = made.vm(VCPUs_max="2", VCPUs_at_startup="2")
    details = refusal(xapi.VM.set_VCPUs_max, vm, "1")
    assert details[0] == "INVALID_VALUE"
    if server.era == "modern":
        assert details[1:] == ["VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max", "1"]
    assert xapi.VM.get_VCPUs_max(vm) == "2"
