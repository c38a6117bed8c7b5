"""Records, fields and relations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import MARK, MIB, Made
from contract_tests.refusals import NEVER, NULL
from contract_tests.waiting import until

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
CLASSES = ("pool", "host", "VM", "SR", "PBD", "network", "PIF", "VDI", "console", "host_cpu", "SM", "role")

# Fields of a VM and the first era that may show them.
VM_FIELDS = {
    "power_state": "boston",
    "is_vmss_snapshot": "modern",
    "generation_id": "clearwater",
    "domain_type": "modern",
    "appliance": "boston",
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_list_is_the_keys_of_its_records(xapi: Any, name: str) -> None:
    """get_all and get_all_records agree, every reference and uuid has its form, and get_by_uuid finds the way back."""
    calls = getattr(xapi, name)
    before, records, after = set(calls.get_all()), calls.get_all_records(), set(calls.get_all())
    assert records, f"a host without any {name}"
    assert before & after <= set(records) <= before | after
    assert all(re.fullmatch(rf"OpaqueRef:{UUID}", ref) for ref in records)
    ref, record = next(iter(records.items()))
    assert re.fullmatch(UUID, record["uuid"])
    assert calls.get_by_uuid(record["uuid"]) == ref


@pytest.mark.parametrize("name", ["pool", "host", "VM", "SR", "network"])
def test_every_getter_agrees_with_the_record(xapi: Any, name: str) -> None:
    """Each field of a record has a getter that answers the same."""
    calls = getattr(xapi, name)
    ref = calls.get_all()[0]

    def while_still() -> tuple[dict[str, Any], dict[str, Any]] | None:
        record = calls.get_record(ref)
        one_by_one = {field: getattr(calls, f"get_{field}")(ref) for field in record}
        return (record, one_by_one) if calls.get_record(ref) == record else None

    found = until(while_still, f"a moment in which nobody changes the {name}")
    assert found is not None
    assert found[1] == found[0]


def test_a_uuid_is_not_its_reference(xapi: Any, host: str) -> None:
    """References and uuids are unrelated."""
    assert xapi.host.get_uuid(host) not in host


@pytest.mark.rule("dispatch releases")
def test_a_release_shows_its_own_fields(xapi: Any, server: Server, halted: str) -> None:
    """A field that a release lacks is in no record."""
    eras = ("boston", "tampa", "clearwater", "modern")
    expected = {
        field for field, since in VM_FIELDS.items() if eras.index(since) <= eras.index(server.era) and server.has(f"VM.get_{field}")
    }
    assert {field for field in VM_FIELDS if field in xapi.VM.get_record(halted)} == expected


@pytest.mark.rule("VM.create")
def test_a_new_vm(xapi: Any, made: Made) -> None:
    """What VM.create fills in: halted, nowhere, never started, with metrics of its own and a seed for MACs."""
    vm = made.vm()
    record = xapi.VM.get_record(vm)
    shown = {
        name: record[name]
        for name in ("power_state", "domid", "resident_on", "guest_metrics", "suspend_VDI", "snapshots", "VBDs", "VIFs", "consoles", "tags")
    }
    assert shown == {
        "power_state": "Halted",
        "domid": "-1",
        "resident_on": NULL,
        "guest_metrics": NULL,
        "suspend_VDI": NULL,
        "snapshots": [],
        "VBDs": [],
        "VIFs": [],
        "consoles": [],
        "tags": [],
    }
    assert record["other_config"][MARK] == made.label
    assert re.fullmatch(UUID, record["other_config"]["mac_seed"])
    assert (record["current_operations"], record["blocked_operations"]) == ({}, {})
    assert xapi.VM_metrics.get_record(record["metrics"])["start_time"].value == NEVER


@pytest.mark.rule("VM.create")
def test_a_new_vm_s_memory_and_processors_are_as_asked(xapi: Any, made: Made) -> None:
    """Numbers come back as text."""
    vm = made.vm(VCPUs_max="3", VCPUs_at_startup="2", memory_static_max=str(512 * MIB))
    record = xapi.VM.get_record(vm)
    assert (record["VCPUs_max"], record["VCPUs_at_startup"], record["memory_static_max"]) == ("3", "2", str(512 * MIB))


def test_a_field_is_set_and_read(xapi: Any, made: Made) -> None:
    """Text, map and set fields keep what they are given."""
    vm, name = made.vm(), made.name()
    xapi.VM.set_name_label(vm, name)
    xapi.VM.set_other_config(vm, {MARK: made.label, "a": "1"})
    xapi.VM.add_to_other_config(vm, "b", "2")
    xapi.VM.remove_from_other_config(vm, "a")
    xapi.VM.set_tags(vm, ["x", "y"])
    xapi.VM.remove_tags(vm, "x")
    assert xapi.VM.get_by_name_label(name) == [vm]
    assert xapi.VM.get_other_config(vm) == {MARK: made.label, "b": "2"}
    assert xapi.VM.get_tags(vm) == ["y"]


@pytest.mark.rule("wire enum")
def test_an_enumeration_takes_any_case(xapi: Any, made: Made, server: Server) -> None:
    """Words of an enumeration are compared without regard to case and stored as the model spells them."""
    vm = made.vm()
    xapi.VM.set_actions_after_shutdown(vm, "Restart" if server.era == "modern" else "restart")
    assert xapi.VM.get_actions_after_shutdown(vm) == "restart"


def test_a_disk_device_shows_at_both_ends(xapi: Any, made: Made, disk: str) -> None:
    """VBD.VM and VBD.VDI are mirrored in VM.VBDs and VDI.VBDs, and gone with the device."""
    vm = made.vm()
    vbd = made.vbd(vm, disk)
    assert (xapi.VM.get_VBDs(vm), xapi.VDI.get_VBDs(disk)) == ([vbd], [vbd])
    xapi.VBD.destroy(vbd)
    assert (xapi.VM.get_VBDs(vm), xapi.VDI.get_VBDs(disk)) == ([], [])


def test_a_network_device_shows_at_both_ends(xapi: Any, made: Made) -> None:
    """VIF.VM and VIF.network are mirrored in VM.VIFs and network.VIFs."""
    vm, network = made.vm(), made.private_network()
    vif = made.vif(vm, network=network)
    assert (xapi.VM.get_VIFs(vm), xapi.network.get_VIFs(network)) == ([vif], [vif])


def test_a_disk_shows_in_its_repository(xapi: Any, made: Made, disk: str, sr: str) -> None:
    """VDI.SR is mirrored in SR.VDIs."""
    assert disk in xapi.SR.get_VDIs(sr)
    assert xapi.VDI.get_SR(disk) == sr


def test_a_repository_is_plugged_into_its_host(xapi: Any, host: str, sr: str) -> None:
    """PBD.host and PBD.SR are mirrored in host.PBDs and SR.PBDs."""
    plugs = {ref for ref, record in xapi.PBD.get_all_records().items() if record["host"] == host and record["SR"] == sr}
    assert plugs
    assert plugs <= set(xapi.host.get_PBDs(host)) & set(xapi.SR.get_PBDs(sr))


def test_a_running_vm_shows_on_its_host(xapi: Any, running: str) -> None:
    """VM.resident_on is mirrored in host.resident_VMs."""
    assert running in xapi.host.get_resident_VMs(xapi.VM.get_resident_on(running))


def test_a_name_may_be_borne_twice(xapi: Any, made: Made) -> None:
    """get_by_name_label answers all who bear it."""
    name = made.name()
    assert set(xapi.VM.get_by_name_label(name)) == set()
    both = {made.vm(name_label=name), made.vm(name_label=name)}
    assert set(xapi.VM.get_by_name_label(name)) == both


def test_a_new_name_is_found_and_the_old_is_not(xapi: Any, made: Made) -> None:
    """The index of names follows the names."""
    old, new = made.name(), made.name()
    vm = made.vm(name_label=old)
    xapi.VM.set_name_label(vm, new)
    assert (xapi.VM.get_by_name_label(old), xapi.VM.get_by_name_label(new)) == ([], [vm])
