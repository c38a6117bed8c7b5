"""Migration, as far as one host can show it: where VMs may come, why they may not go, and a move to where they are."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal
from contract_tests.waiting import finished

SENDS = pytest.mark.requires("VM.migrate_send")
MODERN_MAPS = pytest.mark.requires("VM.assert_can_migrate_sender")


@pytest.fixture
def dest(xapi: Any, host: str, network: str, made: Made) -> dict[str, str]:
    """What the host says of itself as the target of a migration."""
    found: dict[str, str] = xapi.host.migrate_receive(host, network, {})
    return found


@pytest.fixture
def source(made: Made, disk: str) -> str:
    """A halted VM with a disk and a NIC."""
    vm = made.vm()
    made.vbd(vm, disk)
    made.vif(vm)
    return vm


# ---- where VMs may come ----------------------------------------------------------------------------------------------------------


@pytest.mark.rule("host.migrate_receive")
@SENDS
@pytest.mark.parametrize("key", ["SM", "host", "xenops", "session_id", "master"])
def test_a_host_that_waits_says_where(key: str, dest: dict[str, str]) -> None:
    """host.migrate_receive answers with what a sender needs."""
    assert dest[key] != ""


@pytest.mark.rule("host.migrate_receive")
@SENDS
def test_a_host_that_waits_names_itself(dest: dict[str, str], host: str) -> None:
    """The host is told by its ref."""
    assert dest["host"] == host


@pytest.mark.rule("host.migrate_receive")
@SENDS
@pytest.mark.parametrize(("key", "path"), [("SM", "/services/SM"), ("xenops", "/services/xenops")])
def test_the_services_are_told_with_the_session(key: str, path: str, dest: dict[str, str]) -> None:
    """Where storage and memory are sent is told as a URL with the session."""
    assert dest[key].startswith("http")
    assert dest[key].endswith(f"{path}?session_id={dest['session_id']}")


@pytest.mark.rule("host.migrate_receive")
@SENDS
def test_the_session_of_a_migration_is_one_of_its_own(client: Any, session: Any, dest: dict[str, str]) -> None:
    """The session outlives the caller's, and may call."""
    assert dest["session_id"] != session.handle
    assert client.VM.get_all(dest["session_id"])["Status"] == "Success"
    assert client.session.logout(dest["session_id"])["Status"] == "Success"


@pytest.mark.rule("host.migrate_receive HOST_CANNOT_ATTACH_NETWORK")
@SENDS
def test_a_network_without_a_nic_leads_nowhere(xapi: Any, made: Made, host: str) -> None:
    """A host that has no interface on a network cannot be reached over it."""
    network = made.private_network()
    assert refusal(xapi.host.migrate_receive, host, network, {}) == ["HOST_CANNOT_ATTACH_NETWORK", host, network]


# ---- within a pool ---------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VM.pool_migrate to the same host")
@pytest.mark.parametrize("options", [{}, {"live": "true"}, {"live": "false"}])
def test_a_vm_may_move_to_where_it_is(options: dict[str, str], xapi: Any, guest: str, host: str) -> None:
    """A migration to the same host makes a new domain of a VM that goes on running."""
    domid = xapi.VM.get_domid(guest)
    xapi.VM.pool_migrate(guest, host, options)
    record = xapi.VM.get_record(guest)
    assert (record["power_state"], record["resident_on"]) == ("Running", host)
    assert record["domid"] != domid


@pytest.mark.rule("VM.pool_migrate to the same host")
def test_devices_stay_plugged_on_the_way(xapi: Any, made: Made, guest: str, host: str, disk: str) -> None:
    """What was plugged is plugged, what was not is not."""
    made.vbd(guest, disk)
    before = sorted((vbd, xapi.VBD.get_currently_attached(vbd)) for vbd in xapi.VM.get_VBDs(guest))
    xapi.VM.pool_migrate(guest, host, {})
    assert sorted((vbd, xapi.VBD.get_currently_attached(vbd)) for vbd in xapi.VM.get_VBDs(guest)) == before


def test_a_migration_may_be_followed_as_a_task(xapi: Any, made: Made, guest: str, host: str) -> None:
    """The task of a migration ends as a success without a result."""
    task = made.keep_task(xapi.Async.VM.pool_migrate(guest, host, {}))
    record = finished(xapi, task)
    assert (record["status"], record["result"]) == ("success", "")


@pytest.mark.rule("VM.pool_migrate to the same host")
def test_nothing_holds_a_vm_that_has_moved(xapi: Any, guest: str, host: str) -> None:
    """The marks of VM and host go with the migration."""
    xapi.VM.pool_migrate(guest, host, {})
    assert xapi.VM.get_current_operations(guest) == {}
    assert "pool_migrate" in xapi.VM.get_allowed_operations(guest)
    assert "vm_migrate" not in xapi.host.get_current_operations(host).values()


@pytest.mark.rule("VM.pool_migrate states")
@pytest.mark.parametrize("state", ["halted", "paused", "suspended"])
def test_only_what_runs_moves(state: str, xapi: Any, host: str, request: pytest.FixtureRequest) -> None:
    """A VM that does not run is refused with the state that would do."""
    vm = request.getfixturevalue(state)
    assert refusal(xapi.VM.pool_migrate, vm, host, {}) == ["VM_BAD_POWER_STATE", vm, "running", state]


@pytest.mark.rule("VM check 1")
def test_a_blocked_move_is_refused(xapi: Any, guest: str, host: str) -> None:
    """blocked_operations holds for migrations."""
    xapi.VM.set_blocked_operations(guest, {"pool_migrate": "it stays"})
    assert refusal(xapi.VM.pool_migrate, guest, host, {}) == ["OPERATION_BLOCKED", guest, "it stays"]


@pytest.mark.rule("VM check 12", "VM.pool_migrate states")
def test_a_vm_without_drivers_cannot_move(xapi: Any, server: Server, bare: str, host: str) -> None:
    """Hardware-virtual guests need PV drivers to be suspended on the way."""
    if server.era == "clearwater":
        pytest.skip("clearwater lets them try")
    codes = server.as_of(boston={"VM_MISSING_PV_DRIVERS"}, modern={"VM_LACKS_FEATURE", "VM_LACKS_FEATURE_SUSPEND"})
    code, vm = refusal(xapi.VM.pool_migrate, bare, host, {})
    assert (code in codes, vm) == (True, bare)


# ---- with storage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.rule("VM.migrate_send VDI_NOT_IN_MAP")
@MODERN_MAPS
@pytest.mark.parametrize("message", ["assert_can_migrate", "migrate_send"])
def test_every_disk_is_mapped(message: str, xapi: Any, source: str, dest: dict[str, str], disk: str) -> None:
    """A disk of which the map says nothing is named."""
    assert refusal(getattr(xapi.VM, message), source, dest, True, {}, {}, {}) == ["VDI_NOT_IN_MAP", disk]


@pytest.mark.rule("VM.migrate_send vif_map within a pool")
@MODERN_MAPS
def test_interfaces_are_not_mapped_within_a_pool(xapi: Any, made: Made, source: str, dest: dict[str, str], disk: str) -> None:
    """A network of the pool is the same on every host."""
    [vif] = xapi.VM.get_VIFs(source)
    found = refusal(xapi.VM.assert_can_migrate, source, dest, True, {disk: made.sr}, {vif: made.network}, {})
    assert found[0] == "OPERATION_NOT_ALLOWED"


@pytest.mark.rule("VM.migrate_send copy within a pool")
@MODERN_MAPS
def test_a_vm_is_not_copied_within_its_pool(xapi: Any, made: Made, source: str, dest: dict[str, str], disk: str) -> None:
    """For that there are clone and copy."""
    found = refusal(xapi.VM.migrate_send, source, dest, True, {disk: made.sr}, {}, {"copy": "true"})
    assert found[0] == "OPERATION_NOT_ALLOWED"


@pytest.mark.rule("VM.migrate_send within a pool")
@MODERN_MAPS
def test_a_vm_may_go_with_its_disks_where_they_are(xapi: Any, made: Made, source: str, dest: dict[str, str], disk: str) -> None:
    """Disks that are mapped to the SR that they are in stay, and so does the VM's ref."""
    xapi.VM.assert_can_migrate(source, dest, True, {disk: made.sr}, {}, {})
    assert xapi.VM.migrate_send(source, dest, True, {disk: made.sr}, {}, {}) == source
    assert xapi.VM.get_VBDs(source) == xapi.VDI.get_VBDs(disk)


@pytest.mark.rule("VM.migrate_send states")
@MODERN_MAPS
def test_a_paused_vm_is_not_sent(xapi: Any, paused: str, dest: dict[str, str]) -> None:
    """The states in which a VM may be sent are named."""
    assert refusal(xapi.VM.migrate_send, paused, dest, True, {}, {}, {}) == [
        *("VM_BAD_POWER_STATE", paused, "halted, suspended, running", "paused")
    ]


@pytest.mark.rule("VDI.pool_migrate")
@SENDS
def test_a_disk_alone_does_not_move(xapi: Any, made: Made, disk: str) -> None:
    """A disk moves with the VM that has it."""
    assert refusal(xapi.VDI.pool_migrate, disk, made.sr, {}) == ["VDI_NEEDS_VM_FOR_MIGRATE", disk]


@pytest.mark.rule("VM.migrate_send VDI_CBT_ENABLED")
@pytest.mark.requires("VDI.enable_cbt")
def test_a_tracked_disk_does_not_move(xapi: Any, made: Made, source: str, disk: str) -> None:
    """Changed blocks are tracked where a disk is."""
    xapi.VDI.enable_cbt(disk)
    assert refusal(xapi.VDI.pool_migrate, disk, made.sr, {}) == ["VDI_CBT_ENABLED", disk]


@pytest.mark.rule("VM.pool_migrate network")
@MODERN_MAPS
def test_a_migration_over_a_network_needs_an_interface_there(xapi: Any, guest: str, host: str, made: Made) -> None:
    """PIF_NOT_PRESENT [host, network]."""
    network = made.private_network()
    assert refusal(xapi.VM.pool_migrate, guest, host, {"network": network}) == ["PIF_NOT_PRESENT", host, network]


@pytest.mark.rule("VM.migrate_send HOST_DISABLED")
@pytest.mark.alone
@MODERN_MAPS
def test_nothing_is_sent_to_a_disabled_host(xapi: Any, guest: str, dest: dict[str, str], host: str, made: Made) -> None:
    """HOST_DISABLED [host]."""
    xapi.host.disable(host)
    made.later(xapi.host.enable, host)
    assert refusal(xapi.VM.migrate_send, guest, dest, True, {}, {}, {}) == ["HOST_DISABLED", host]
