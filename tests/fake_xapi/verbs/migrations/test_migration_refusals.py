"""Why VMs may not go to another pool, and where VMs may come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.fake_xapi.verbs.kit.hosts import GIB
from tests.fake_xapi.verbs.kit.pools import Pools, over_pools, running, state

Change = Callable[[Pools, str, str], None]


def on_vdi(**fields: Any) -> Change:
    return lambda pools, _vm, vdi: pools.here.set(vdi, **fields)


def on_target(**fields: Any) -> Change:
    return lambda pools, _vm, _vdi: pools.there.set(pools.there.host, **fields)


def on_vm(**fields: Any) -> Change:
    return lambda pools, vm, _vdi: pools.here.set(vm, **fields)


def little_memory(pools: Pools, _vm: str, _vdi: str) -> None:
    with pools.there.world.edit() as edit:
        edit.set(pools.there.row(pools.there.host)["metrics"], memory_total=GIB // 2)


def twin_there(pools: Pools, vm: str, _vdi: str) -> None:
    pools.there.kit.make("VM", other_config={"mac_seed": pools.here.row(vm)["other_config"]["mac_seed"]})


def no_drivers(pools: Pools, vm: str, _vdi: str) -> None:
    with pools.here.world.edit() as edit:
        edit.set(pools.here.row(vm)["metrics"], current_domain_type="hvm")
        edit.set(pools.here.row(vm)["guest_metrics"], PV_drivers_version={}, other={})


REFUSALS: Mapping[str, tuple[Change, list[str]]] = {
    "disabled": (on_target(enabled=False), ["HOST_DISABLED", "<host>"]),
    "older": (on_target(software_version={"platform_version": "1.0"}), ["VM_HOST_INCOMPATIBLE_VERSION_MIGRATE", "<vm>", "<host>"]),
    "old platform": (
        on_vm(hardware_platform_version=7),
        ["VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION", "<host>", "[0; 1; 2]", "<vm>", "7"],
    ),
    "raw SR here": (lambda pools, _vm, _vdi: pools.here.set(pools.here.sr, type="iscsi"), ["SR_DOES_NOT_SUPPORT_MIGRATION", "<sr here>"]),
    "raw SR there": (lambda pools, _vm, _vdi: pools.there.set(pools.there.sr, type="iscsi"), ["SR_DOES_NOT_SUPPORT_MIGRATION", "<sr>"]),
    "many VCPUs": (on_vm(VCPUs_max=9), ["HOST_NOT_ENOUGH_PCPUS", "9", "8"]),
    "little memory": (little_memory, ["HOST_NOT_ENOUGH_FREE_MEMORY", "", ""]),
    "other processors": (
        on_target(cpu_info={"vendor": "AuthenticAMD", "features": "1fc9"}),
        ["VM_INCOMPATIBLE_WITH_THIS_HOST", "<vm>", "<host>", "VM last booted on a host which had a CPU from a different vendor."],
    ),
    "fewer features": (
        on_target(cpu_info={"vendor": "GenuineIntel", "features": "0001"}),
        ["VM_INCOMPATIBLE_WITH_THIS_HOST", "<vm>", "<host>", "VM last booted on a CPU with features this host's CPU does not have."],
    ),
    "a twin": (twin_there, ["DUPLICATE_VM", ""]),
    "tracked": (on_vdi(cbt_enabled=True), ["VDI_CBT_ENABLED", "<vdi>"]),
    "encrypted": (on_vdi(sm_config={"key_hash": "x"}), ["VDI_IS_ENCRYPTED", "<vdi>"]),
}


def filled(pools: Pools, vm: str, vdi: str, error: list[str]) -> list[str]:
    names = {"<vm>": vm, "<vdi>": vdi, "<host>": pools.there.host, "<sr>": pools.there.sr, "<sr here>": pools.here.sr}
    return [names.get(part, part) for part in error]


@pytest.mark.parametrize("case", REFUSALS)
def test_every_reason_not_to_go_is_given_beforehand_and_again(case: str) -> None:
    async def body(pools: Pools) -> None:
        change, error = REFUSALS[case]
        here = pools.here
        vm, vdi = await running(here)
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        await here.call("VM.assert_can_migrate", vm, dest, True, vdis, vifs, {})
        change(pools, vm, vdi)
        before = [state(here), state(pools.there)]
        for message in ("VM.assert_can_migrate", "VM.migrate_send"):
            found = await here.refused(message, vm, dest, True, vdis, vifs, {})
            wanted = filled(pools, vm, vdi, error)
            assert [text if told else "" for text, told in zip(found, wanted, strict=True)] == wanted
        assert [state(here), state(pools.there)] == before

    over_pools(body)


def test_whoever_insists_takes_other_processors() -> None:
    async def body(pools: Pools) -> None:
        vm, _ = await running(pools.here)
        on_target(cpu_info={"vendor": "AuthenticAMD"})(pools, vm, "")
        made = await pools.send(vm, force="true")
        assert pools.there.row(made)["power_state"] == "Running"

    over_pools(body)


def test_what_is_not_in_the_maps_is_named() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vm, vdi = await running(here)
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        [vif] = vifs
        for message in ("VM.assert_can_migrate", "VM.migrate_send"):
            assert await here.refused(message, vm, dest, True, {}, vifs, {}) == ["VDI_NOT_IN_MAP", vdi]
            assert await here.refused(message, vm, dest, True, vdis, {}, {}) == ["VIF_NOT_IN_MAP", vif]
            assert await here.refused(message, vm, {"host": dest["host"]}, True, vdis, vifs, {}) == ["INTERNAL_ERROR", "Not_found"]
        here.set(vdi, on_boot="reset")
        assert await here.refused("VM.migrate_send", vm, dest, True, vdis, vifs, {}) == [
            *("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", vdi)
        ]

    over_pools(body)


def test_the_guards_of_the_operation_hold() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vm, vdi = await running(here)
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        no_drivers(pools, vm, vdi)
        assert await here.refused("VM.migrate_send", vm, dest, True, vdis, vifs, {}) == ["VM_LACKS_FEATURE", vm]
        await here.call("VM.pause", vm)
        assert await here.refused("VM.migrate_send", vm, dest, True, vdis, vifs, {}) == [
            *("VM_BAD_POWER_STATE", vm, "halted, suspended, running", "paused")
        ]

    over_pools(body)


def test_memory_out_of_reach_is_named() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vm, _ = await running(here)
        await here.call("VM.suspend", vm)
        image = here.row(vm)["suspend_VDI"]
        far = here.kit.made("SR", type="ext", content_type="user")
        with here.world.edit() as edit:
            edit.set(image, SR=far)
        vdis, vifs = pools.maps(vm)
        refusal = await here.refused("VM.migrate_send", vm, await pools.dest(), True, vdis, vifs, {})
        assert refusal == ["SUSPEND_IMAGE_NOT_ACCESSIBLE", here.world.ref(image)]

    over_pools(body)


def test_who_sends_sees_cards_that_nobody_there_has() -> None:
    async def body(pools: Pools) -> None:
        here = pools.here
        vm, _ = await running(here)
        vdis, vifs = pools.maps(vm)
        dest = await pools.dest()
        await here.call("VM.assert_can_migrate_sender", vm, dest, True, vdis, vifs, {}, {})
        vgpu = here.kit.make("VGPU", VM=here.id(vm))
        assert await here.refused("VM.assert_can_migrate_sender", vm, dest, True, vdis, vifs, {}, {}) == [
            *("VGPU_DESTINATION_INCOMPATIBLE", "No compatible pGPU", vgpu, pools.there.host)
        ]

    over_pools(body)


# ---- where VMs may come ----------------------------------------------------------------------------------------------------------


def test_a_host_that_waits_says_where_and_with_which_session() -> None:
    async def body(pools: Pools) -> None:
        there = pools.there
        found = await pools.dest()
        session = found["session_id"]
        assert found == {
            "SM": f"http://10.0.0.2/services/SM?session_id={session}",
            "host": there.host,
            "xenops": f"http://10.0.0.2/services/xenops?session_id={session}",
            "session_id": session,
            "master": "http://10.0.0.2",
        }
        assert session != there.kit.session
        assert await there.kit.raw("VM.get_all", session) == []

    over_pools(body)


def test_a_host_without_an_address_there_cannot_wait() -> None:
    async def body(pools: Pools) -> None:
        there = pools.there
        other = there.kit.make("network", bridge="xapi7")
        pif = there.world.ref(there.row(there.network)["PIFs"][0])
        ask = ("host.migrate_receive", there.host)
        assert await there.refused(*ask, other, {}) == ["HOST_CANNOT_ATTACH_NETWORK", there.host, other]
        there.set(pif, IP="")
        assert await there.refused(*ask, there.network, {}) == ["INTERFACE_HAS_NO_IP", pif]
        there.set(pif, ip_configuration_mode="None")
        assert await there.refused(*ask, there.network, {}) == ["PIF_HAS_NO_NETWORK_CONFIGURATION", pif]

    over_pools(body)
