"""The order in which an operation is refused, and allowed_operations, which says the same beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from contract_tests.capabilities import Server
from contract_tests.made import Made
from contract_tests.refusals import refusal

# allowed_operations by object and era, in the order in which servers store them.
ALLOWED: dict[str, dict[str, str]] = {
    "halted": {
        "boston": "changing_dynamic_range changing_shadow_memory changing_static_range make_into_template destroy export start_on start"
        " clone copy snapshot",
        "modern": "create_vtpm destroy metadata_export export make_into_template changing_NVRAM changing_shadow_memory"
        " changing_static_range changing_dynamic_range migrate_send start_on start copy clone snapshot",
    },
    "paused": {
        "boston": "hard_reboot hard_shutdown unpause checkpoint snapshot",
        "modern": "metadata_export hard_reboot hard_shutdown unpause checkpoint snapshot",
    },
    "suspended": {
        "boston": "destroy export resume_on resume hard_shutdown checkpoint snapshot",
        "modern": "destroy metadata_export export migrate_send resume_on resume hard_shutdown checkpoint snapshot",
    },
    "running": {
        "boston": "changing_dynamic_range pool_migrate changing_VCPUs_live suspend hard_reboot hard_shutdown clean_reboot clean_shutdown"
        " pause checkpoint snapshot",
        "tampa": "changing_dynamic_range migrate_send pool_migrate changing_VCPUs_live suspend hard_reboot hard_shutdown clean_reboot"
        " clean_shutdown pause checkpoint snapshot",
        "modern": "sysprep metadata_export changing_VCPUs_live changing_dynamic_range migrate_send pool_migrate suspend hard_reboot"
        " hard_shutdown clean_reboot clean_shutdown pause checkpoint snapshot",
    },
    "bare": {
        "boston": "changing_dynamic_range hard_reboot hard_shutdown pause snapshot",
        "clearwater": "changing_dynamic_range migrate_send pool_migrate suspend hard_reboot hard_shutdown pause checkpoint snapshot",
        "modern": "sysprep metadata_export changing_dynamic_range hard_reboot hard_shutdown pause snapshot",
    },
    "template": {
        "boston": "changing_dynamic_range changing_shadow_memory changing_static_range provision destroy export clone copy",
        "modern": "destroy metadata_export export changing_NVRAM changing_shadow_memory changing_static_range changing_dynamic_range"
        " migrate_send provision copy clone",
    },
    "default_template": {
        "boston": "changing_dynamic_range changing_shadow_memory changing_static_range provision export clone copy",
        "modern": "metadata_export export changing_NVRAM changing_shadow_memory changing_static_range changing_dynamic_range provision"
        " copy clone",
    },
    "snapshot": {"boston": "destroy export revert clone copy", "modern": "destroy metadata_export export revert copy clone"},
    "checkpointed": {
        "boston": "destroy export hard_shutdown revert clone copy",
        "modern": "destroy metadata_export export hard_shutdown revert copy clone",
    },
    "dom0": {"boston": "changing_dynamic_range", "modern": "metadata_export changing_static_range changing_dynamic_range"},
}

# Operations that came between two eras, and the message that came with them.
CAME_WITH = {"create_vtpm": "VTPM.get_is_unique", "changing_NVRAM": "VM.set_NVRAM", "sysprep": "VM.sysprep"}

ASKED = frozenset(
    "start pause unpause suspend resume clean_shutdown hard_shutdown clean_reboot hard_reboot clone copy snapshot destroy".split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def default_template(xapi: Any) -> str:
    """A template that came with the server."""
    templates = xapi.VM.get_all_records_where('field "is_a_template" = "true"').items()
    found: str = next(ref for ref, record in templates if record["other_config"].get("default_template") == "true")
    return found


@pytest.fixture(scope="module")
def checkpointed(shared: Made, suspended: str) -> str:
    """A snapshot that has the memory of a suspended VM."""
    return shared.keep_vm(shared.xapi.VM.checkpoint(suspended, shared.name()))


def expected(server: Server, name: str) -> list[str]:
    """What allowed_operations says on this server."""
    words = server.as_of(**ALLOWED[name]).split()
    return [word for word in words if word not in CAME_WITH or server.has(CAME_WITH[word])]


@pytest.mark.rule(
    "VM allowed halted",
    "VM allowed paused",
    "VM allowed suspended",
    "VM allowed running",
    "VM allowed running without drivers",
    "VM allowed user template",
    "VM allowed default template",
    "VM allowed snapshot",
    "VM allowed checkpoint",
    "VM allowed dom0",
)
@pytest.mark.parametrize("name", ALLOWED)
def test_allowed_operations(request: pytest.FixtureRequest, xapi: Any, server: Server, name: str) -> None:
    """Each kind of VM in each state lists its operations, in the server's order."""
    vm = request.getfixturevalue(name)
    assert xapi.VM.get_allowed_operations(vm) == expected(server, name)


@pytest.mark.rule("VM states", "VM states of any, whatever they are")
@pytest.mark.parametrize("name", ["halted", "running", "paused", "suspended", "bare", "template", "snapshot", "dom0"])
def test_what_is_allowed_is_valid_and_nothing_else(request: pytest.FixtureRequest, xapi: Any, name: str) -> None:
    """assert_operation_valid refuses exactly what allowed_operations does not list."""
    vm = request.getfixturevalue(name)
    allowed = set(xapi.VM.get_allowed_operations(vm))
    refused = {operation for operation in ASKED - allowed if refusal(xapi.VM.assert_operation_valid, vm, operation)}
    assert refused == ASKED - allowed
    for operation in ASKED & allowed:
        xapi.VM.assert_operation_valid(vm, operation)


@pytest.mark.rule("VM check 1")
def test_a_blocked_operation_says_why(xapi: Any, made: Made) -> None:
    """OPERATION_BLOCKED [vm, the reason given], before any look at the power state; unblocking allows it again."""
    vm = made.vm()
    xapi.VM.set_blocked_operations(vm, {"start": "on leave", "pause": "never"})
    assert "start" not in xapi.VM.get_allowed_operations(vm)
    assert refusal(xapi.VM.start, vm, False, False) == ["OPERATION_BLOCKED", vm, "on leave"]
    assert refusal(xapi.VM.pause, vm) == ["OPERATION_BLOCKED", vm, "never"]
    xapi.VM.remove_from_blocked_operations(vm, "start")
    assert "start" in xapi.VM.get_allowed_operations(vm)


@pytest.mark.rule("VM check 4")
def test_a_template_does_not_start(xapi: Any, template: str) -> None:
    """VM_IS_TEMPLATE [vm, operation]."""
    assert refusal(xapi.VM.start, template, False, False) == ["VM_IS_TEMPLATE", template, "start"]


@pytest.mark.rule("VM check 2")
def test_a_template_in_the_wrong_state_is_in_the_wrong_state(xapi: Any, template: str) -> None:
    """The power state is looked at before the template's mark."""
    assert refusal(xapi.VM.pause, template) == ["VM_BAD_POWER_STATE", template, "running", "halted"]


@pytest.mark.rule("VM check 5")
def test_a_snapshot_does_not_start(xapi: Any, snapshot: str) -> None:
    """VM_IS_SNAPSHOT [vm, operation], although a snapshot is a template too."""
    assert refusal(xapi.VM.start, snapshot, False, False) == ["VM_IS_SNAPSHOT", snapshot, "start"]


@pytest.mark.rule("VM check 5")
def test_a_snapshot_is_not_provisioned(xapi: Any, snapshot: str) -> None:
    """Provisioning is for templates that are no snapshots: VM_IS_SNAPSHOT [vm, operation]."""
    assert refusal(xapi.VM.provision, snapshot) == ["VM_IS_SNAPSHOT", snapshot, "provision"]


@pytest.mark.rule("VM check 6")
def test_only_a_template_is_provisioned(xapi: Any, halted: str) -> None:
    """PROVISION_ONLY_ALLOWED_ON_TEMPLATE []."""
    assert refusal(xapi.VM.provision, halted) == ["PROVISION_ONLY_ALLOWED_ON_TEMPLATE"]


@pytest.mark.rule("VM check 6")
def test_only_a_snapshot_is_reverted_to(xapi: Any, halted: str, server: Server) -> None:
    """REVERT_ONLY_ALLOWED_ON_SNAPSHOT []."""
    details = refusal(xapi.VM.revert, halted)
    assert details[0] in {"REVERT_ONLY_ALLOWED_ON_SNAPSHOT", server.as_of(boston=details[0], modern="")}
    assert xapi.VM.get_power_state(halted) == "Halted"


@pytest.mark.rule("VM check 10")
@pytest.mark.parametrize("operation", ["pause", "hard_shutdown", "clean_reboot"])
def test_the_control_domain_is_left_alone(xapi: Any, dom0: str, server: Server, operation: str) -> None:
    """OPERATION_NOT_ALLOWED [text]; asked without doing it."""
    text = server.as_of(boston="Operations on domain 0 are not allowed", modern="This operation is not allowed on a control domain")
    assert refusal(xapi.VM.assert_operation_valid, dom0, operation) == ["OPERATION_NOT_ALLOWED", text]


@pytest.mark.rule("VM check 4", "VM.destroy")
def test_a_default_template_is_not_destroyed(xapi: Any, default_template: str) -> None:
    """VM_IS_TEMPLATE [vm, destroy]; asked without doing it."""
    assert refusal(xapi.VM.assert_operation_valid, default_template, "destroy") == ["VM_IS_TEMPLATE", default_template, "destroy"]


@pytest.mark.rule("VM allowed user template", "VM.set_is_a_template")
def test_a_vm_becomes_a_template_and_a_vm_again(xapi: Any, made: Made, server: Server) -> None:
    """set_is_a_template changes what is allowed."""
    vm = made.vm()
    xapi.VM.set_is_a_template(vm, True)
    assert xapi.VM.get_allowed_operations(vm) == expected(server, "template")
    xapi.VM.set_is_a_template(vm, False)
    assert xapi.VM.get_allowed_operations(vm) == expected(server, "halted")


@pytest.mark.rule("VM check 13")
def test_quiesced_snapshots_need_a_guest_that_can(xapi: Any, running: str, server: Server) -> None:
    """VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED [vm]; the newest releases have removed the message."""
    details = refusal(xapi.VM.snapshot_with_quiesce, running, "quiesced")
    if server.era != "modern" or details != ["MESSAGE_REMOVED"]:
        assert details == ["VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", running]
