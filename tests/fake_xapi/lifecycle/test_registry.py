"""The registry of lifecycles: names against the datamodel, and whom a change concerns."""

from __future__ import annotations

import pytest

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.lifecycle.registry import LIFECYCLES, OPERATIONS, dependents
from tests.fake_xapi.lifecycle.hosts import Scene, scene

ENUMS = {
    "VM": "vm_operations",
    "VBD": "vbd_operations",
    "VDI": "vdi_operations",
    "VIF": "vif_operations",
    "VUSB": "vusb_operations",
    "SR": "storage_operations",
    "host": "host_allowed_operations",
    "pool": "pool_allowed_operations",
    "VM_appliance": "vm_appliance_operation",
}


def test_every_lifecycle_is_of_a_class_that_has_operations() -> None:
    for cls in LIFECYCLES:
        assert {"allowed_operations", "current_operations"} <= {field.name for field in datamodel().classes[cls].fields}


@pytest.mark.parametrize("wire_name", sorted(OPERATIONS))
def test_a_marked_operation_is_in_the_enum_and_its_message_begins_with_the_object(wire_name: str) -> None:
    cls, _, name = wire_name.partition(".")
    known = {message.name: message for message in datamodel().classes[cls].messages}
    assert OPERATIONS[wire_name] in datamodel().enums[ENUMS[cls]]
    assert known[name].params[0].type.name == cls


def _named(made: Scene, name: str) -> set[str]:
    names = {identity: known for known, identity in made.ids.items()}
    return {names[identity] for identity in dependents(made.world, made.ids[name])}


def test_a_change_concerns_those_whose_rules_look_at_it() -> None:
    made = scene()
    assert _named(made, "vm") == {"vbd", "vif"}
    assert _named(made, "vbd") == {"vm", "vdi"}
    assert _named(made, "vdi") == {"vbd", "vm"}
    assert _named(made, "pbd") == {"sr", "vdi"}
    assert _named(made, "host") == set()
    made.make("appliance", "VM_appliance").set("vm", appliance="@appliance")
    assert _named(made, "vm") == {"vbd", "vif", "appliance"}
    made.set("vm", appliance=0)
    made.make("vusb", "VUSB", VM="@vm")
    assert _named(made, "vm") == {"vbd", "vif", "vusb"}


def test_a_mark_concerns_fewer_than_other_changes() -> None:
    made = scene()
    names = {identity: known for known, identity in made.ids.items()}
    marked = {
        name: {names[other] for other in dependents(made.world, made.ids[name], is_mark=True)}
        for name in ("vm", "vbd", "vif", "vdi", "pbd")
    }
    assert marked == {"vm": {"vbd", "vif"}, "vbd": {"vdi"}, "vif": set(), "vdi": {"vbd"}, "pbd": set()}


def test_who_shares_a_disk_is_concerned_by_the_others() -> None:
    made = scene().make("other vm", "VM").make("other", "VBD", VM="@other vm", VDI="@vdi")
    assert _named(made, "vm") == {"vbd", "vif", "other"}
    assert _named(made, "vbd") == {"vm", "vdi", "other"}
    assert _named(made.set("vdi", read_only=True), "vm") == {"vbd", "vif"}
