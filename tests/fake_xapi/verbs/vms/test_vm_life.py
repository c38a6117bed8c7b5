"""VM.create and VM.destroy."""

from __future__ import annotations

import pytest

from tests.fake_xapi.verbs.kit.hosts import GIB, NULL, VM_RECORD, Host, over_host


def test_a_new_vm_is_halted_with_metrics_and_something_to_make_addresses_from() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(other_config={"nova_uuid": "x"}, power_state="Running", blocked_operations={"start": "no"})
        row = host.row(vm)
        assert (row["power_state"], row["domid"], row["resident_on"], row["blocked_operations"]) == ("Halted", -1, 0, {})
        assert (row["memory_target"], row["domain_type"]) == (GIB, "pv")
        assert set(row["other_config"]) == {"mac_seed", "nova_uuid"}
        assert host.world[row["metrics"]].cls == "VM_metrics"
        assert row["memory_overhead"] == await host.call("VM.compute_memory_overhead", vm)

    over_host(body)


def test_a_boot_policy_makes_an_hvm_vm() -> None:
    async def body(host: Host) -> str:
        return str(host.row(await host.vm(HVM_boot_policy="BIOS order"))["domain_type"])

    assert over_host(body) == "hvm"


def test_a_given_mac_seed_is_kept() -> None:
    async def body(host: Host) -> dict[str, str]:
        return dict(host.row(await host.vm(other_config={"mac_seed": "mine"}))["other_config"])

    assert over_host(body) == {"mac_seed": "mine"}


def test_a_suspended_vm_is_believed_only_with_its_memory() -> None:
    async def body(host: Host) -> None:
        count = host.world.count("VM")
        refusal = await host.refused("VM.create", {**VM_RECORD, "power_state": "Suspended"})
        assert (refusal[0], refusal[2:]) == ("VM_BAD_POWER_STATE", ["halted", "suspended"])
        assert host.world.count("VM") == count
        sleeping = {
            "power_state": "Suspended",
            "suspend_VDI": await host.disk(type="suspend"),
            "last_booted_record": "()",
            "last_boot_CPU_flags": {"vendor": "x"},
        }
        vm = await host.vm(**sleeping)
        assert host.row(vm)["power_state"] == "Suspended"

    over_host(body)


def test_a_destroyed_vm_takes_its_devices_and_leaves_its_disks() -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        await host.call("VM.hard_shutdown", vm)
        await host.call("VM.destroy", vm)
        counts = {
            cls: host.world.count(cls)
            for cls in ("VM", "VBD", "VBD_metrics", "VIF", "VIF_metrics", "console", "VM_metrics", "VM_guest_metrics")
        }
        assert counts == dict.fromkeys(counts, 0)
        assert host.row(vdi)["VBDs"] == ()
        assert await host.refused("VM.destroy", vm) == ["HANDLE_INVALID", "VM", vm]

    over_host(body)


def test_children_of_a_destroyed_snapshot_hang_on_its_parent() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        first, second = await host.call("VM.snapshot", vm, "first"), await host.call("VM.snapshot", vm, "second")
        assert (host.row(vm)["parent"], host.row(second)["parent"], host.row(first)["parent"]) == (host.id(second), host.id(first), 0)
        await host.call("VM.destroy", second)
        assert host.row(vm)["parent"] == host.id(first)
        await host.call("VM.destroy", first)
        assert host.row(vm)["parent"] == 0

    over_host(body)


@pytest.mark.parametrize(("state", "refusal"), [("Running", "running"), ("Paused", "paused")])
def test_a_live_vm_is_not_destroyed(state: str, refusal: str) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        host.set(vm, power_state=state)
        assert await host.refused("VM.destroy", vm) == ["VM_BAD_POWER_STATE", vm, "halted, suspended", refusal]

    over_host(body)


def test_a_default_template_is_not_destroyed() -> None:
    async def body(host: Host) -> None:
        template = await host.vm(is_a_template=True, other_config={"default_template": "true"})
        assert await host.refused("VM.destroy", template) == ["VM_IS_TEMPLATE", template, "destroy"]

    over_host(body)


def test_an_affinity_that_is_null_is_taken() -> None:
    async def body(host: Host) -> int:
        return int(host.row(await host.vm(affinity=NULL))["affinity"])

    assert over_host(body) == 0
