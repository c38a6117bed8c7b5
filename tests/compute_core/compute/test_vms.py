"""What the agent remembers of the VMs of its host."""

from __future__ import annotations

from typing import Any

from compute_core.compute.vms import Vm, Vms
from compute_core.model.instances import PAUSED, RUNNING, SHUTDOWN
from compute_core.xenapi.marks import RESCUE
from tests.compute_core.values import UUID, an_instance


def record(power_state: str, uuid: str = UUID, *, is_a_template: bool = False) -> dict[str, Any]:
    config = {"inova-instance-uuid": uuid, "inova-cell": "cell1"} if uuid else {}
    return {
        "name_label": f"instance-{uuid}",
        "other_config": config,
        "power_state": power_state,
        "is_a_template": is_a_template,
        "is_control_domain": False,
        "uuid": "vm-uuid",
        "domid": 7 if power_state == "Running" else -1,
    }


def test_only_marked_vms_are_servers() -> None:
    vms = Vms()
    vms.replace({"r1": record("Running"), "r2": record("Running", ""), "r3": record("Halted", "t", is_a_template=True)})

    assert dict(vms.items()) == {UUID: Vm("r1", f"instance-{UUID}", RUNNING, RUNNING, "vm-uuid", 7)}
    assert vms.running() == 1


def test_a_change_is_news_until_the_cell_is_told() -> None:
    vms = Vms()
    vms.see("r1", record("Running"))

    assert [vms.see("r1", record("Running")), vms.see("r1", record("Halted")), vms.see("r1", record("Halted"))] == ["", UUID, UUID]
    vm = vms.get(UUID)
    assert vm is not None
    vm.told = vm.power_state
    assert [vm.power_state, vms.see("r1", record("Halted"))] == [SHUTDOWN, ""]


def test_a_build_is_known_before_its_events_and_not_twice() -> None:
    vms = Vms()
    vms.built(an_instance(), "r1")
    assert vms.see("r1", record("Running")) == ""
    assert vms.see("r1", record("Paused")) == UUID

    vms.built(an_instance(), "r1")
    assert dict(vms.items()) == {UUID: Vm("r1", f"instance-{UUID}", PAUSED, RUNNING, "vm-uuid", 7)}


def test_what_a_host_no_longer_has_is_forgotten() -> None:
    vms = Vms()
    vms.replace({"r1": record("Running"), "r2": record("Running", "other")})
    vms.replace({"r2": record("Running", "other")})
    assert list(vms) == ["other"]

    vms.forget("r2")
    vms.forget("never seen")
    assert list(vms) == []


def test_an_old_vm_of_a_server_does_not_take_the_new_one_with_it() -> None:
    vms = Vms()
    vms.see("old", record("Halted"))
    vms.see("new", record("Running"))
    vms.forget("old")

    assert UUID in vms


def test_a_vm_that_stands_in_for_a_server_speaks_for_it_until_it_is_gone() -> None:
    vms = Vms()
    vms.see("r1", record("Running"))
    vms.rescued(UUID, "r2")
    helper = {**record("Running"), "other_config": {RESCUE: UUID}}
    assert vms.see("r2", helper) == ""
    assert vms.see("r1", record("Halted")) == ""
    assert vms.see("r2", {**helper, "power_state": "Halted"}) == UUID
    acting = vms.acting(UUID)
    assert acting is not None
    assert (acting.ref, acting.power_state, vms.uuid_of(UUID)) == ("r1", SHUTDOWN, "vm-uuid")
    vms.forget("r2")
    assert vms.acting(UUID) is vms.get(UUID)


def test_of_two_vms_of_a_server_the_other_is_left_when_one_goes() -> None:
    vms = Vms()
    vms.replace({"old": record("Running"), "new": record("Halted")})
    assert (vms.get(UUID), vms.doubles) == (
        Vm("new", f"instance-{UUID}", SHUTDOWN, SHUTDOWN, "vm-uuid"),
        {UUID: Vm("old", f"instance-{UUID}", RUNNING, RUNNING, "vm-uuid", 7)},
    )
    vms.see("old", record("Paused"))
    vms.forget("new")
    assert dict(vms.items()) == {UUID: Vm("old", f"instance-{UUID}", PAUSED, RUNNING, "vm-uuid", 7)}
    assert vms.doubles == {}


def test_a_double_that_goes_leaves_the_server_s_vm_as_it_is() -> None:
    vms = Vms()
    vms.replace({"old": record("Running"), "new": record("Halted")})
    vms.arrived(an_instance(), "old")
    assert [vm.ref for vm in vms.doubles.values()] == ["new"]
    vms.forget("new")
    assert ([vm.ref for _, vm in vms.items()], vms.doubles) == (["old"], {})
