"""The setters of VM that check, and what may be asked of a VM."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, over_host

ORDER = ["MEMORY_CONSTRAINT_VIOLATION_ORDER"]
VCPUS = "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max"


@pytest.mark.parametrize(
    ("method", "params", "limits"),
    [
        ("set_memory_dynamic_range", (GIB // 2, GIB), (0, GIB // 2, GIB, GIB)),
        ("set_memory_static_range", (MIB, 2 * GIB), (MIB, GIB, GIB, 2 * GIB)),
        ("set_memory_static_max", (4 * GIB,), (0, GIB, GIB, 4 * GIB)),
        ("set_memory_static_min", (MIB,), (MIB, GIB, GIB, GIB)),
        ("set_memory_dynamic_min", (MIB,), (0, MIB, GIB, GIB)),
        ("set_memory_limits", (1 * MIB, 4 * MIB, 2 * MIB, 3 * MIB), (1 * MIB, 2 * MIB, 3 * MIB, 4 * MIB)),
        ("set_memory", (2 * GIB,), (0, 2 * GIB, 2 * GIB, 2 * GIB)),
    ],
)
def test_memory_is_limited_in_order(method: str, params: tuple[int, ...], limits: tuple[int, ...]) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call(f"VM.{method}", vm, *(str(param) for param in params))
        row = host.row(vm)
        names = ("memory_static_min", "memory_dynamic_min", "memory_dynamic_max", "memory_static_max")
        assert tuple(row[name] for name in names) == limits
        assert (row["memory_target"], row["memory_overhead"]) == (limits[2], await host.call("VM.compute_memory_overhead", vm))

    over_host(body)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("set_memory_dynamic_max", (2 * GIB,)),
        ("set_memory_dynamic_min", (2 * GIB,)),
        ("set_memory_static_max", (MIB,)),
        ("set_memory_static_min", (2 * GIB,)),
        ("set_memory_dynamic_range", (GIB, MIB)),
        ("set_memory_limits", (4 * MIB, 3 * MIB, 2 * MIB, 1 * MIB)),
    ],
)
def test_memory_out_of_order_is_refused(method: str, params: tuple[int, ...]) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused(f"VM.{method}", await host.vm(), *(str(param) for param in params))

    assert over_host(body) == ORDER


@pytest.mark.parametrize(
    ("method", "params", "refusal"),
    [
        ("set_VCPUs_max", ("1",), ["INVALID_VALUE", VCPUS, "1"]),
        ("set_VCPUs_at_startup", ("3",), ["INVALID_VALUE", VCPUS, "3"]),
        ("set_VCPUs_at_startup", ("0",), ["INVALID_VALUE", VCPUS, "0"]),
        ("set_HVM_shadow_multiplier", (0.5,), ["INVALID_VALUE", "HVM_shadow_multiplier", "0.5"]),
        ("set_ha_restart_priority", ("never",), ["INVALID_VALUE", "ha_restart_priority", "never"]),
        ("set_start_delay", ("-1",), ["INVALID_VALUE", "start_delay", "-1"]),
        ("set_order", ("-1",), ["INVALID_VALUE", "order", "-1"]),
        ("set_domain_type", ("unspecified",), ["INVALID_VALUE", "domain_type", "unspecified"]),
        ("add_to_other_config", ("mac_seed", "x"), ["MAP_DUPLICATE_KEY", "VM", "other_config", "vm", "mac_seed"]),
    ],
)
def test_values_that_are_refused(method: str, params: tuple[Any, ...], refusal: list[str]) -> None:
    async def body(host: Host) -> list[str]:
        vm = await host.vm()
        return ["vm" if param == vm else param for param in await host.refused(f"VM.{method}", vm, *params)]

    assert over_host(body) == refusal


@pytest.mark.parametrize(
    ("method", "params", "field", "value"),
    [
        ("set_VCPUs_max", ("8",), "VCPUs_max", 8),
        ("set_VCPUs_at_startup", ("1",), "VCPUs_at_startup", 1),
        ("set_HVM_shadow_multiplier", (2.0,), "HVM_shadow_multiplier", 2.0),
        ("set_ha_restart_priority", ("best-effort",), "ha_restart_priority", "best-effort"),
        ("set_start_delay", ("7",), "start_delay", 7),
        ("set_HVM_boot_policy", ("BIOS order",), "domain_type", "hvm"),
        ("set_HVM_boot_policy", ("",), "domain_type", "pv"),
        ("set_domain_type", ("hvm",), "HVM_boot_policy", "BIOS order"),
        ("set_domain_type", ("pvh",), "HVM_boot_policy", ""),
        ("set_blocked_operations", ({"start": "no"},), "blocked_operations", {"start": "no"}),
        ("add_to_blocked_operations", ("start", "no"), "blocked_operations", {"start": "no"}),
        ("set_platform", ({"nx": "true"},), "platform", {"nx": "true"}),
        ("add_to_platform", ("nx", "true"), "platform", {"nx": "true"}),
        ("add_to_NVRAM", ("a", "b"), "NVRAM", {"a": "b"}),
        ("set_actions_after_crash", ("preserve",), "actions_after_crash", "preserve"),
        ("set_has_vendor_device", (False,), "has_vendor_device", False),
    ],
)
def test_values_that_are_written(method: str, params: tuple[Any, ...], field: str, value: Any) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call(f"VM.{method}", vm, *params)
        assert host.row(vm)[field] == value

    over_host(body)


def test_a_blocked_operation_is_refused_until_it_is_unblocked() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.add_to_blocked_operations", vm, "start", "because")
        assert await host.refused("VM.start", vm, False, False) == ["OPERATION_BLOCKED", vm, "because"]
        assert "start" not in host.row(vm)["allowed_operations"]
        await host.call("VM.remove_from_blocked_operations", vm, "start")
        await host.call("VM.start", vm, False, False)

    over_host(body)


def test_a_running_vm_is_resized_where_it_can_be() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(VCPUs_max="4")
        await host.call("VM.start", vm, False, False)
        await host.call("VM.set_VCPUs_number_live", vm, "4")
        assert host.world[host.row(vm)["metrics"]]["VCPUs_number"] == 4
        assert await host.refused("VM.set_VCPUs_number_live", vm, "5") == ["INVALID_VALUE", "VCPUs", "5"]
        await host.call("VM.set_memory_dynamic_range", vm, str(GIB // 2), str(GIB // 2))
        assert host.world[host.row(vm)["metrics"]]["memory_actual"] == GIB // 2
        await host.call("VM.set_memory_target_live", vm, str(GIB // 4))
        await host.call("VM.wait_memory_target_live", vm)
        assert host.world[host.row(vm)["metrics"]]["memory_actual"] == GIB // 4
        assert await host.refused("VM.set_VCPUs_max", vm, "5") == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        assert await host.refused("VM.set_memory_static_max", vm, str(GIB)) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        assert await host.refused("VM.set_domain_type", vm, "hvm") == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        assert await host.refused("VM.add_to_VCPUs_params_live", vm, "a", "b") == ["NOT_IMPLEMENTED", "VM.add_to_VCPUs_params_live"]

    over_host(body)


def test_a_vm_becomes_a_template_and_a_vm_again() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.set_is_a_template", vm, True)
        assert (host.row(vm)["is_a_template"], host.row(vm)["metrics"], host.world.count("VM_metrics")) == (True, 0, 0)
        await host.call("VM.set_is_a_template", vm, False)
        assert host.world[host.row(vm)["metrics"]].cls == "VM_metrics"
        host.set(vm, ha_always_run=True)
        assert await host.refused("VM.set_is_a_template", vm, True) == ["VM_IS_PROTECTED", vm]
        host.set(vm, ha_always_run=False, power_state="Running")
        assert await host.refused("VM.set_is_a_template", vm, True) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        await host.call("VM.set_is_a_template", vm, False)

    over_host(body)


def test_questions() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        assert await host.call("VM.get_cooperative", vm) is True
        await host.call("VM.assert_operation_valid", vm, "start")
        assert await host.refused("VM.assert_operation_valid", vm, "pause") == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        await host.call("VM.update_allowed_operations", vm)
        assert await host.refused("VM.assert_agile", vm) == ["HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", host.sr]
        assert await host.refused("VM.get_boot_record", vm) == ["VM_BAD_POWER_STATE", vm, "paused, suspended, running", "halted"]
        await host.call("VM.start", vm, False, False)
        record = await host.call("VM.get_boot_record", vm)
        assert (record["uuid"], record["resident_on"]) == (host.world.uuid(host.id(vm)), host.host)
        for method, params in (("send_sysrq", ("s",)), ("send_trigger", ("nmi",))):
            assert await host.refused(f"VM.{method}", vm, *params) == ["NOT_IMPLEMENTED", method]
        assert await host.refused("VM.query_services", vm) == ["NOT_SYSTEM_DOMAIN", vm]
        assert await host.refused("VM.call_plugin", vm, "x", "y", {}) == ["XENAPI_MISSING_PLUGIN", "x"]

    over_host(body)


def test_what_is_measured_of_a_vm_and_of_its_host() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        names = [source["name_label"] for source in await host.call("VM.get_data_sources", vm)]
        devices = ["vif_0_rx", "vif_0_tx", "vbd_xvda_read", "vbd_xvda_write"]
        assert [name for name in names if name in {"cpu0", "cpu1", "cpu2", "memory", "memory_target", *devices}] == [
            "cpu0", "cpu1", "memory", "memory_target", *devices,
        ]  # fmt: skip
        assert await host.call("VM.query_data_source", vm, "memory") == float(GIB)
        assert (await host.refused("VM.query_data_source", vm, "nothing"))[0] == "INTERNAL_ERROR"
        await host.call("VM.record_data_source", vm, "memory")
        await host.call("VM.forget_data_source_archives", vm, "memory")
        free = await host.call("host.compute_free_memory", host.host)
        assert await host.call("host.query_data_source", host.host, "memory_free_kib") == free // 1024
        assert "cpu7" in [source["name_label"] for source in await host.call("host.get_data_sources", host.host)]

    over_host(body)


@pytest.mark.parametrize(
    ("limits", "restrictions", "release", "refusal"),
    [
        ((0, MIB, GIB, GIB), {"restrict_dmc": "true"}, "latest", ["MEMORY_CONSTRAINT_VIOLATION_MAXPIN", "DMC unavailable"]),
        ((0, MIB, GIB, GIB), {"restrict_dmc": "true"}, "tampa", ["MEMORY_CONSTRAINT_VIOLATION"]),
        ((0, GIB, GIB, GIB), {"restrict_dmc": "true"}, "latest", []),
        ((0, MIB, GIB, GIB), {"restrict_dmc": "false"}, "latest", []),
    ],
)
def test_only_some_licences_let_memory_change(
    limits: tuple[int, ...], restrictions: dict[str, str], release: str, refusal: list[str]
) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        host.set(host.world.ref(next(host.world.ids("pool"))), restrictions=restrictions)
        static_min, dynamic_min, dynamic_max, static_max = (str(limit) for limit in limits)
        params = (vm, static_min, static_max, dynamic_min, dynamic_max)
        if refusal:
            assert await host.refused("VM.set_memory_limits", *params) == refusal
        else:
            await host.call("VM.set_memory_limits", *params)

    over_host(body, release)


@pytest.mark.parametrize(("field", "reason"), [("is_control_domain", "control domain"), ("nested_virt", "nested virt")])
def test_some_vms_have_all_their_memory_or_none(field: str, reason: str) -> None:
    async def body(host: Host) -> list[str]:
        vm = await host.vm()
        host.set(host.world.ref(host.row(vm)["metrics"]) if field == "nested_virt" else vm, **{field: True})
        return await host.refused("VM.set_memory_static_max", vm, str(2 * GIB))

    assert over_host(body) == ["MEMORY_CONSTRAINT_VIOLATION_MAXPIN", reason]


def test_a_vendor_device_asks_for_a_halted_vm_and_a_newer_platform() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(hardware_platform_version="0")
        await host.call("VM.set_has_vendor_device", vm, True)
        assert (host.row(vm)["has_vendor_device"], host.row(vm)["hardware_platform_version"]) == (True, 2)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("VM.set_has_vendor_device", vm, False) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
        host.set(host.world.ref(next(host.world.ids("pool"))), restrictions={"restrict_pci_device_for_auto_update": "true"})
        assert await host.refused("VM.set_has_vendor_device", vm, True) == ["LICENCE_RESTRICTION", "PCI_device_for_auto_update"]

    over_host(body)
