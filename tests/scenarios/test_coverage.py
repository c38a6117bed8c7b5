"""What the page about coverage is made from: how messages are answered, what tests sent, what products confirmed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fake_xapi.datamodel.personality import personality
from fake_xapi.verbs.declined import DECLINED
from scenarios import coverage, exercised, recording
from scenarios.coverage import INTERNAL, RELEASES, REMOVED, WITHDRAWN, Answer, Known, answers
from scenarios.exercised import Exercise, merged

MOST_DECLINED = 120
PROMISED = (
    "VM.checkpoint",
    "VM.revert",
    "VM.copy",
    "VM.provision",
    "VM_appliance.start",
    "VM_appliance.shutdown",
    "VMSS.snapshot_now",
    "VM.set_memory_dynamic_range",
    "VM.set_VCPUs_number_live",
    "VM.add_to_blocked_operations",
    "VM.set_ha_restart_priority",
    "VM.set_xenstore_data",
    "VM.get_data_sources",
    "VM.set_bios_strings",
    "VM.set_NVRAM",
    "VM_group.create",
    "VUSB.create",
    "VGPU.create",
    "VTPM.create",
    *(f"SR.{verb}" for verb in ("create", "introduce", "probe", "probe_ext", "scan", "forget", "destroy")),
    *(f"PBD.{verb}" for verb in ("create", "plug", "unplug", "destroy")),
    *(f"VDI.{verb}" for verb in ("create", "clone", "snapshot", "copy", "resize", "introduce", "forget", "pool_migrate")),
    *(f"VDI.{verb}" for verb in ("enable_cbt", "disable_cbt", "data_destroy", "list_changed_blocks")),
    *(f"{cls}.{verb}" for cls in ("network", "Bond", "VLAN", "tunnel", "network_sriov") for verb in ("create", "destroy")),
    *("Bond.set_mode", "host.management_reconfigure", "VIF.set_locking_mode", "network.add_purpose"),
    *(f"pool.{verb}" for verb in ("join", "eject", "designate_new_master", "emergency_transition_to_master", "recover_slaves")),
    *(f"pool.{verb}" for verb in ("enable_ha", "disable_ha", "ha_compute_vm_failover_plan", "sync_updates", "set_repositories")),
    *(f"host.{verb}" for verb in ("enable", "disable", "evacuate", "reboot", "shutdown", "power_on", "apply_edition", "apply_updates")),
    *(f"pool_patch.{verb}" for verb in ("apply", "pool_apply", "precheck", "clean", "destroy")),
    *(f"pool_update.{verb}" for verb in ("introduce", "apply", "pool_apply", "precheck", "destroy")),
    *("VM.pool_migrate", "VM.assert_can_migrate", "VM.migrate_send", "host.migrate_receive"),
    *("pool.enable_external_auth", "pool.disable_external_auth", "subject.create", "subject.add_to_roles", "secret.create"),
    *("message.create", "blob.create", "pool.install_ca_certificate", "host.install_server_certificate"),
    *("host.call_plugin", "host.call_extension", "VM.call_plugin", "host.get_data_sources"),
)
"""Messages of what the simulator is for: none of these may be declined."""


@pytest.mark.parametrize("release", RELEASES)
def test_no_message_is_left_open(release: str) -> None:
    assert [name for name, each in answers(personality(release)).items() if each.way == "open"] == []


@pytest.mark.parametrize("release", RELEASES)
def test_few_messages_are_declined(release: str) -> None:
    assert sum(each.way == "declined" for each in answers(personality(release)).values()) <= MOST_DECLINED


def test_what_the_simulator_is_for_is_served() -> None:
    found = answers(personality("latest"))
    assert [name for name in PROMISED if found[name].way not in ("derived", "written")] == []


def test_whatever_is_declined_is_a_message_and_not_served() -> None:
    found = {name: each for release in RELEASES for name, each in answers(personality(release)).items()}
    assert {name: found[name] for name in DECLINED} == {name: Answer("declined", refusal) for name, refusal in DECLINED.items()}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("VM.get_name_label", Answer("derived")),
        ("VM.start", Answer("written")),
        ("session.login_with_password", Answer("written")),
        ("VMPP.protect_now", Answer("declined", REMOVED)),
        ("SR.make", Answer("declined", WITHDRAWN)),
        ("host.set_localdb_key", Answer("declined", INTERNAL)),
        ("host.bugreport_upload", Answer("declined", DECLINED["host.bugreport_upload"])),
    ],
)
def test_a_message_is_answered_in_one_way(name: str, answer: Answer) -> None:
    assert answers(personality("latest"))[name] == answer


def test_the_tests_that_are_most_about_a_message_are_named() -> None:
    one = {"latest": {"tests/t.py::wide": ["VM.start", "VM.clone"], "tests/t.py::narrow": ["VM.start"]}}
    tests = ("contract_tests/suite/t.py::far", "tests/t.py::narrow", "tests/t.py::wide")
    two = {"boston": {"contract_tests/suite/t.py::far": ["VM.start", "VM.clone", "VM.destroy"]}}
    assert merged([one, two])["VM.start"] == Exercise(tests, count=3, releases=("boston", "latest"))


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    exercises = {"VM.start": Exercise(("t.py::x",), 4, ("boston",)), "VM.clone": Exercise((), 0, ())}
    exercised.keep(exercises, tmp_path / "kept.json")
    assert exercised.read(tmp_path / "kept.json") == exercises


@pytest.mark.parametrize(
    ("test", "known"),
    [
        ("tests/scenarios/test_coverage.py::test_every_verb_is_exercised", True),
        ("tests/scenarios/test_coverage.py::test_that_nobody_wrote", False),
        ("tests/scenarios/test_of_nothing.py::test_x", False),
        ("tests/fake_xapi/stateful/test_any_calls.py::TestAnyCalls::runTest", True),
    ],
)
def test_a_test_is_there_while_its_file_defines_it(test: str, known: bool) -> None:
    assert exercised.is_there(test) is known


def test_what_is_gone_is_left_out() -> None:
    here, gone = "tests/scenarios/test_coverage.py::test_every_verb_is_exercised", "tests/nowhere.py::test_x"
    exercises = {"VM.start": Exercise((gone, here), 3, ("latest",)), "VM.clone": Exercise((gone,), 1, ("latest",))}
    assert exercised.without_what_is_gone(exercises) == {"VM.start": Exercise((here,), 3, ("latest",))}


def test_every_test_on_record_is_there() -> None:
    assert sorted({test for one in exercised.read().values() for test in one.tests if not exercised.is_there(test)}) == []


def test_every_message_on_record_is_one() -> None:
    assert sorted(set(exercised.read()) - {name for release in RELEASES for name in answers(personality(release))}) == []


def test_every_verb_is_exercised() -> None:
    written = {name for release in RELEASES for name, each in answers(personality(release)).items() if each.way == "written"}
    assert sorted(written - set(exercised.read())) == []


def test_what_a_product_confirms_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed, calls = tmp_path / "confirmed.json", tmp_path / "calls.json"
    confirmed.write_text("{}")
    calls.write_text(json.dumps({"XenServer 9 (modern)": {"t.py::x": ["VM.start", "VM.frobnicate"], "t.py::y": ["VM.start"]}}))
    monkeypatch.setattr(coverage, "CONFIRMED", confirmed)
    recording.take_in("XenServer 9", calls)
    record = coverage.known()
    assert record.confirmed == {"XenServer 9": ("VM.start",)}
    assert [record.confirmed_by(name) for name in ("VM.start", "VM.clone")] == ["XenServer 9", "assumption"]


def test_confirmations_are_about_messages() -> None:
    known: Known = coverage.known()
    messages = {name for release in RELEASES for name in answers(personality(release))}
    assert {name for names in known.confirmed.values() for name in names} - messages == set()
