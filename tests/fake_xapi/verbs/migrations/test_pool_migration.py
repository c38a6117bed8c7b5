"""VMs and disks that move within a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fake_xapi.engine.durations import profiles
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, NULL, Host, over_host
from tests.fake_xapi.verbs.kit.pools import Breaking, bytes_of, complete, disks, running, second_host, share, state

REALISTIC = Settings(durations=profiles()["realistic"])
Body = Callable[[Host, str, str, str], Any]


def over_pool(body: Body, release: str = "latest", settings: Settings | None = None) -> None:
    """Run a test over a pool of two hosts, each with an SR of its own; given the other host, its SR, and a VM that runs here."""

    async def with_host(host: Host) -> None:
        complete(host, "10.0.0.1")
        other, sr = second_host(host)
        vm, _ = await running(host)
        await body(host, other, sr, vm)

    over_host(with_host, release, settings)


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater", "latest"])
def test_a_vm_on_shared_storage_goes_to_the_other_host(release: str) -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        before = host.row(vm)
        consoles = before["consoles"]
        started = host.world[before["metrics"]]["start_time"]
        await host.call("VM.pool_migrate", vm, other, {"live": "true"})
        row = host.row(vm)
        assert (row["power_state"], row["resident_on"], row["scheduled_to_be_resident_on"]) == ("Running", host.id(other), 0)
        assert row["domid"] != before["domid"]
        assert not set(row["consoles"]) & set(consoles)
        assert host.world[row["consoles"][0]]["location"].startswith("https://10.0.0.9/console?uuid=")
        assert host.world[row["metrics"]]["start_time"] == started
        assert [host.world[vbd]["currently_attached"] for vbd in row["VBDs"]] == [True]
        assert host.row(host.host)["resident_VMs"] == ()
        assert host.bodies()[-1] == "VM_MIGRATED"
        await host.call("VM.clean_shutdown", vm)

    over_pool(body, release, REALISTIC)


def test_a_vm_may_come_to_where_it_is() -> None:
    async def body(host: Host, _other: str, _sr: str, vm: str) -> None:
        await host.call("VM.pool_migrate", vm, host.host, {})
        assert host.row(vm)["resident_on"] == host.id(host.host)

    over_pool(body)


Change = Callable[[Host, str, str], None]


def on_other(**fields: Any) -> Change:
    return lambda host, other, _vm: host.set(other, **fields)


def on_vm(**fields: Any) -> Change:
    return lambda host, _other, vm: host.set(vm, **fields)


def is_immobile(host: Host, _other: str, vm: str) -> None:
    with host.world.edit() as edit:
        edit.set(host.row(vm)["metrics"], nomigrate=True)
        edit.set(host.id(vm))


def small(host: Host, other: str, _vm: str) -> None:
    with host.world.edit() as edit:
        edit.set(host.row(other)["metrics"], memory_total=GIB // 2)


REFUSALS: Mapping[str, tuple[Change, list[str]]] = {
    "disabled": (on_other(enabled=False), ["HOST_DISABLED", "<host>"]),
    "older": (on_other(software_version={"platform_version": "1"}), ["VM_HOST_INCOMPATIBLE_VERSION_MIGRATE", "<host>", "<vm>"]),
    "other processors": (
        on_other(cpu_info={"vendor": "AuthenticAMD"}),
        ["VM_INCOMPATIBLE_WITH_THIS_HOST", "<vm>", "<host>", "VM last booted on a host which had a CPU from a different vendor."],
    ),
    "small": (small, ["HOST_NOT_ENOUGH_FREE_MEMORY", "", ""]),
    "immobile": (is_immobile, ["VM_IS_IMMOBILE", "<vm>"]),
    "blocked": (on_vm(blocked_operations={"pool_migrate": "because"}), ["OPERATION_BLOCKED", "<vm>", "because"]),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_every_reason_not_to_move_is_given(case: str) -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        change, error = REFUSALS[case]
        change(host, other, vm)
        before = state(host)
        found = await host.refused("VM.pool_migrate", vm, other, {})
        wanted = [{"<vm>": vm, "<host>": other}.get(part, part) for part in error]
        assert [text if told else "" for text, told in zip(found, wanted, strict=True)] == wanted
        assert state(host) == before

    over_pool(body)


def test_storage_of_one_host_alone_keeps_the_vm_there() -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        assert await host.refused("VM.pool_migrate", vm, other, {}) == ["VM_REQUIRES_SR", vm, host.sr]
        await host.call("VM.hard_shutdown", vm)
        assert await host.refused("VM.pool_migrate", vm, other, {}) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]

    over_pool(body)


def test_whoever_insists_moves_what_is_immobile() -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        is_immobile(host, other, vm)
        await host.call("VM.pool_migrate", vm, other, {"force": "true"})
        assert host.row(vm)["resident_on"] == host.id(other)

    over_pool(body)


def test_the_way_must_be_open() -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        alone = host.kit.make("network", bridge="xapi7")
        pif = host.world.ref(host.row(other)["PIFs"][0])
        ask: tuple[Any, ...] = ("VM.pool_migrate", vm, other)
        assert await host.refused(*ask, {"network": NULL}) == ["HANDLE_INVALID", "network", NULL]
        assert await host.refused(*ask, {"network": alone}) == ["PIF_NOT_PRESENT", other, alone]
        host.set(pif, currently_attached=False)
        assert await host.refused(*ask, {"network": host.network}) == ["REQUIRED_PIF_IS_UNPLUGGED", pif]
        host.set(pif, currently_attached=True, IP="")
        assert await host.refused(*ask, {"network": host.network}) == ["INTERFACE_HAS_NO_IP", pif]
        host.set(pif, IP="10.0.0.9")
        await host.call(*ask, {"network": host.network})

    over_pool(body)


def test_while_a_vm_moves_its_place_is_held_and_a_shutdown_ends_the_move() -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        task = await host.call("Async.VM.pool_migrate", vm, other, {})
        await asyncio.sleep(3)
        assert host.row(vm)["current_operations"] == {task: "pool_migrate"}
        assert host.row(other)["current_operations"] == {task: "vm_migrate"}
        assert host.row(vm)["scheduled_to_be_resident_on"] == host.id(other)
        free = await host.call("host.compute_free_memory", other)
        assert free < 15 * GIB
        await host.call("VM.hard_shutdown", vm)
        row = host.row(vm)
        assert (row["power_state"], row["resident_on"], row["scheduled_to_be_resident_on"]) == ("Halted", 0, 0)
        assert host.row(task)["status"] == "cancelled"
        assert host.row(other)["current_operations"] == {}

    over_pool(body, settings=REALISTIC)


@pytest.mark.parametrize("phase", ["VM.migrate.prepare", "VM.migrate.copy", "VM.migrate.switch"])
def test_whatever_fails_the_vm_stays(phase: str) -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        before = state(host)
        host.kit.xapi.settings = Settings(durations=Breaking(phase))
        assert await host.refused("VM.pool_migrate", vm, other, {}) == ["INTERNAL_ERROR", phase]
        assert state(host) == before

    over_pool(body)


def test_the_early_form_names_a_host_in_any_way() -> None:
    async def body(host: Host, other: str, _sr: str, vm: str) -> None:
        share(host, host.sr, other)
        for name in (other, host.world.uuid(host.id(other)), "10.0.0.9", "h2"):
            await host.call("VM.migrate", vm, name, True, {})
            assert host.row(vm)["resident_on"] == host.id(other)
            await host.call("VM.migrate", vm, "h", True, {})
        assert await host.refused("VM.migrate", vm, "nobody", True, {}) == ["INVALID_VALUE", "dest", "nobody"]

    over_pool(body, "boston")


# ---- storage ---------------------------------------------------------------------------------------------------------------------


async def sent(host: Host, vm: str, other: str, sr: str, **options: str) -> str:
    dest = await host.call("host.migrate_receive", other, host.network, {})
    vdis = {host.world.ref(host.world[vbd]["VDI"]): sr for vbd in host.row(vm)["VBDs"]}
    return str(await host.call("VM.migrate_send", vm, dest, True, vdis, {}, options))


@pytest.mark.parametrize("power_state", ["Running", "Halted"])
def test_a_vm_goes_to_the_other_host_with_its_disks(power_state: str) -> None:
    async def body(host: Host, other: str, sr: str, vm: str) -> None:
        snapshot = await host.call("VM.snapshot", vm, "s")
        if power_state == "Halted":
            await host.call("VM.hard_shutdown", vm)
        held = bytes_of(host, vm)
        with host.world.edit() as edit:
            edit.set(next(host.world.ids("pool")), default_SR=host.id(sr))
        assert await sent(host, vm, other, sr) == vm
        row = host.row(vm)
        place = host.id(other) if power_state == "Running" else 0
        assert (row["power_state"], row["resident_on"], bytes_of(host, vm)) == (power_state, place, held)
        new, old = (host.world[host.row(ref)["VBDs"][0]]["VDI"] for ref in (vm, snapshot))
        assert [host.world[vdi]["SR"] for vdi in (new, old)] == [host.id(sr)] * 2
        assert (host.world[old]["is_a_snapshot"], host.world[old]["snapshot_of"]) == (True, new)
        await asyncio.sleep(3600)
        assert host.row(host.sr)["VDIs"] == ()
        assert host.row(host.sr)["physical_utilisation"] == 0

    over_pool(body, settings=REALISTIC)


def test_within_a_pool_nothing_is_copied_and_no_network_changed() -> None:
    async def body(host: Host, other: str, sr: str, vm: str) -> None:
        dest = await host.call("host.migrate_receive", other, host.network, {})
        vdi = host.world.ref(host.world[host.row(vm)["VBDs"][0]]["VDI"])
        vif = host.world.ref(host.row(vm)["VIFs"][0])
        text = "VIF mapping is not allowed for intra-pool migration -all VIFs must be on the same network"
        assert await host.refused("VM.migrate_send", vm, dest, True, {vdi: sr}, {vif: host.network}, {}) == ["OPERATION_NOT_ALLOWED", text]
        text = "Copy mode is disallowed on intra pool storage migration, try efficient alternatives e.g. VM.copy/clone."
        assert await host.refused("VM.migrate_send", vm, dest, True, {vdi: sr}, {}, {"copy": "true"}) == ["OPERATION_NOT_ALLOWED", text]
        assert await host.refused("VM.migrate_send", vm, dest, True, {vdi: host.sr}, {}, {}) == ["VM_REQUIRES_SR", vm, host.sr]
        host.set(other, software_version={"platform_version": "1"})
        assert await host.refused("VM.migrate_send", vm, dest, True, {vdi: sr}, {}, {}) == ["NOT_SUPPORTED_DURING_UPGRADE"]

    over_pool(body)


def test_the_formats_of_images_are_those_of_the_driver() -> None:
    async def body(host: Host, other: str, sr: str, vm: str) -> None:
        dest = await host.call("host.migrate_receive", other, host.network, {})
        vdi = host.world.ref(host.world[host.row(vm)["VBDs"][0]]["VDI"])
        [driver] = [identity for identity, row in host.world.rows("SM") if row["type"] == "lvm"]
        with host.world.edit() as edit:
            edit.set(driver, supported_image_formats=("vhd",))
        ask: tuple[Any, ...] = ("VM.migrate_send", vm, dest, True, {vdi: sr}, {}, {}, {})
        text = f"Image format qcow2 is not supported by {host.world.uuid(host.id(sr))}"
        assert await host.refused(*ask, {vdi: "qcow2"}) == ["VDI_INCOMPATIBLE_TYPE", text]
        await host.call(*ask, {vdi: "vhd"})

    over_pool(body)


@pytest.mark.parametrize("phase", ["VDI.mirror.start", "VDI.mirror", "VM.migrate.copy", "VM.migrate.switch"])
def test_whatever_fails_the_disks_are_where_they_were(phase: str) -> None:
    async def body(host: Host, other: str, sr: str, vm: str) -> None:
        dest = await host.call("host.migrate_receive", other, host.network, {})
        vdi = host.world.ref(host.world[host.row(vm)["VBDs"][0]]["VDI"])
        before, held = state(host), disks(host)
        host.kit.xapi.settings = Settings(durations=Breaking(phase))
        assert await host.refused("VM.migrate_send", vm, dest, True, {vdi: sr}, {}, {}) == ["INTERNAL_ERROR", phase]
        assert (state(host), disks(host)) == (before, held)

    over_pool(body)


@pytest.mark.parametrize("power_state", ["Running", "Halted"])
def test_one_disk_moves_to_another_sr(power_state: str) -> None:
    async def body(host: Host, other: str, sr: str, vm: str) -> None:
        share(host, sr, host.host)
        vdi = host.world.ref(host.world[host.row(vm)["VBDs"][0]]["VDI"])
        second = await host.disk(4 * MIB)
        if power_state == "Halted":
            await host.call("VM.hard_shutdown", vm)
            await host.vbd(vm, second, "1")
        held = bytes_of(host, vm)
        made = await host.call("VDI.pool_migrate", vdi, sr, {})
        assert made != vdi
        assert (host.row(made)["SR"], host.row(made)["virtual_size"]) == (host.id(sr), 4 * MIB)
        assert host.world.get(host.id(vdi)) is None
        assert bytes_of(host, vm) == held
        assert (host.row(vm)["power_state"], host.row(second)["SR"]) == (power_state, host.id(host.sr))
        assert await host.call("VDI.pool_migrate", made, sr, {}) == made

    over_pool(body)


def test_a_disk_moves_with_its_vm_only() -> None:
    async def body(host: Host, other: str, sr: str, vm: str) -> None:
        vdi = host.world.ref(host.world[host.row(vm)["VBDs"][0]]["VDI"])
        alone = await host.disk(4 * MIB)
        ask: tuple[Any, ...] = ("VDI.pool_migrate", vdi, sr, {})
        assert await host.refused("VDI.pool_migrate", alone, sr, {}) == ["VDI_NEEDS_VM_FOR_MIGRATE", alone]
        snapshot = await host.call("VM.snapshot", vm, "s")
        kept = host.world.ref(host.world[host.row(snapshot)["VBDs"][0]]["VDI"])
        assert await host.refused("VDI.pool_migrate", kept, sr, {}) == ["VBD_MISSING"]
        assert await host.refused(*ask) == ["NO_HOSTS_AVAILABLE"]
        share(host, sr, host.host)
        host.set(vdi, cbt_enabled=True)
        assert await host.refused(*ask) == ["VDI_CBT_ENABLED", vdi]
        host.set(vdi, cbt_enabled=False, type="cbt_metadata")
        assert await host.refused(*ask) == ["VDI_INCOMPATIBLE_TYPE", vdi, "cbt_metadata"]

    over_pool(body)
