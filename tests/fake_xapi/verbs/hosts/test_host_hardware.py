"""Hardware settings, drivers, and what a host tells of itself."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fake_xapi.verbs.updates import guidance
from tests.fake_xapi.verbs.kit.hosts import Host, over_host


def pool(host: Host) -> str:
    return host.world.ref(next(host.world.ids("pool")))


def test_what_xen_schedules_as_one() -> None:
    async def body(host: Host) -> None:
        assert await host.call("host.get_sched_gran", host.host) == "cpu"
        await host.call("host.set_sched_gran", host.host, "core")
        assert await host.call("host.get_sched_gran", host.host) == "core"

    over_host(body)


@pytest.mark.parametrize("value", ["", "1", "2,6"])
def test_how_deep_cpus_sleep(value: str) -> None:
    async def body(host: Host) -> None:
        await host.call("host.set_max_cstate", host.host, value)
        assert await host.call("host.get_max_cstate", host.host) == value

    over_host(body)


@pytest.mark.parametrize("value", ["C1", ",", "1,", "1,2,3", "-1", "²"])
def test_depths_that_are_none(value: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("host.set_max_cstate", host.host, value)

    assert over_host(body) == ["INVALID_VALUE", "max_cstate", value]


@pytest.mark.parametrize(
    ("before", "enabled", "disabled", "rebooted"),
    [
        ("enabled", "enabled", "disable_on_reboot", "enabled"),
        ("disable_on_reboot", "enabled", "disable_on_reboot", "disabled"),
        ("disabled", "enable_on_reboot", "disabled", "disabled"),
        ("enable_on_reboot", "enable_on_reboot", "disabled", "enabled"),
    ],
)
def test_the_display_changes_at_the_next_boot(before: str, enabled: str, disabled: str, rebooted: str) -> None:
    async def body(host: Host) -> None:
        for verb, after in (("enable", enabled), ("disable", disabled)):
            host.set(host.host, display=before)
            assert await host.call(f"host.{verb}_display", host.host) == after
            assert await host.call("host.get_display", host.host) == after
        host.set(host.host, display=before)
        with host.world.edit() as edit:
            guidance.host_rebooted(edit, host.id(host.host))
        assert await host.call("host.get_display", host.host) == rebooted

    over_host(body)


def test_the_display_is_taken_by_a_feature() -> None:
    async def body(host: Host) -> list[str]:
        host.set(pool(host), restrictions={"restrict_integrated_gpu_passthrough": "true"})
        return await host.refused("host.disable_display", host.host)

    assert over_host(body) == ["LICENCE_RESTRICTION", "Integrated_GPU"]


def test_room_is_kept_for_a_vm_that_will_come() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("host.allocate_resources_for_vm", host.host, vm, True)
        assert await host.call("VM.get_scheduled_to_be_resident_on", vm) == host.host
        host.set(host.host, enabled=False)
        assert await host.refused("host.allocate_resources_for_vm", host.host, vm, True) == ["HOST_DISABLED", host.host]

    over_host(body)


def test_a_variant_of_a_driver_is_selected() -> None:
    async def body(host: Host) -> None:
        driver, other = (host.kit.make("Host_driver", host=host.id(host.host), name=name) for name in ("nic", "raid"))
        variant = host.kit.make("Driver_variant", driver=host.id(driver), name="new", hardware_present=True)
        idle = host.kit.make("Driver_variant", driver=host.id(driver), name="idle")
        await host.call("Host_driver.rescan", host.host)
        await host.call("host.rescan_drivers", host.host)
        await host.call("Driver_variant.select", variant)
        assert await host.call("Host_driver.get_selected_variant", driver) == variant
        await host.call("Host_driver.deselect", driver)
        assert host.row(driver)["selected_variant"] == 0
        await host.call("Host_driver.select", driver, idle)
        assert await host.call("Host_driver.get_selected_variant", driver) == idle
        assert await host.refused("Driver_variant.select", idle) == ["HOST_DRIVER_NO_HARDWARE", idle]
        assert await host.refused("Host_driver.select", other, variant) == ["INVALID_VALUE", "variant", variant]

    over_host(body)


def test_xen_s_messages_until_they_are_cleared() -> None:
    async def body(host: Host) -> None:
        host.set(host.host, software_version={"xen": "4.17.5", "linux": "4.19.0"})
        told = await host.call("host.dmesg", host.host)
        assert told.splitlines() == [
            "(XEN) Xen version 4.17.5",
            "(XEN) System RAM: 16384MB (16777216kB)",
            "(XEN) Brought up 8 CPUs",
            "(XEN) Dom0 Linux 4.19.0",
        ]
        assert await host.call("host.dmesg_clear", host.host) == told
        assert await host.call("host.dmesg", host.host) == ""
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert await host.call("host.dmesg", host.host) == f"(XEN) d{host.row(vm)['domid']} created\n"

    over_host(body)


def test_logs_and_diagnostics() -> None:
    async def body(host: Host) -> Any:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert "xapi: [VM_STARTED]" in await host.call("host.get_log", host.host)
        task = await host.call("task.create", "mine", "")
        assert await host.call("host.get_thread_diagnostics", host.host) == f"{host.world.uuid(host.id(task))} mine\n"
        assert await host.call("host.get_diagnostic_timing_stats", host.host) == {}
        stats = await host.call("Diagnostics.db_stats")
        assert (int(stats["n"]) > 0, stats["avgtime"]) == (True, "0.")
        await host.call("Diagnostics.gc_compact", host.host)
        root = ET.fromstring(await host.call("host.get_system_status_capabilities", host.host))
        assert {"xenserver-logs", "xen-info"} <= {capability.attrib["key"] for capability in root}
        await host.call("host.apply_guest_agent_config", host.host)

    over_host(body)
