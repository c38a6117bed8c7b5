"""What running guests are told through xenstore, by the plugin in a simulated dom0; and what VMs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import Conflict
from compute_core.xenapi.guest_tells import change_metadata, inject_network_info, rename, trigger_crash
from compute_core.xenapi.plugins import PluginMissing
from compute_core.xenapi.power import Patience, stop
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.rig import Rig, over_rig
from tests.compute_core.values import a_vif, an_instance
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

HERE = "vm-data/networking/fa163e000001"


async def running(site: Site, **members: Any) -> str:
    vm = str(await site.session.call("VM.create", {**VM_RECORD, **members}))
    await site.session.call("VM.start", vm, False, False)
    site.wire.requests.clear()
    return vm


def test_a_guest_whose_crash_is_triggered_panics(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await running(site, actions_after_crash="destroy")
        await trigger_crash(site.session, site.place, vm)
        return list(site.wire.requests), await site.session.call("VM.get_power_state", vm)

    assert over_dom0(tmp_path, body) == (["VM.get_domid", "host.call_plugin"], "Halted")


def test_a_guest_that_restarts_after_a_crash_is_another_domain(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        vm = await running(site, actions_after_crash="restart")
        before = await site.session.call("VM.get_domid", vm)
        await trigger_crash(site.session, site.place, vm)
        return await site.session.call("VM.get_power_state", vm), await site.session.call("VM.get_domid", vm) > before

    assert over_dom0(tmp_path, body) == ("Running", True)


def test_addresses_are_written_for_the_running_guest_and_for_the_next_boot(tmp_path: Path) -> None:
    async def body(site: Site) -> Any:
        kept = {"vm-data/hostname": "web", "vm-data/networking/gone": "{}"}
        vm = await running(site, xenstore_data=kept)
        await inject_network_info(site.session, site.place, vm, an_instance(vifs=(a_vif(),)))
        asked = list(site.wire.requests)
        domid = await site.session.call("VM.get_domid", vm)
        stored = await site.session.call("VM.get_xenstore_data", vm)
        live = [await site.dom0.call("xenstore_read", domid=domid, path=path) for path in (HERE, "vm-data/networking/gone")]
        return asked, sorted(stored), live[0] == stored[HERE], live[1]

    asked, stored, is_live, gone = over_dom0(tmp_path, body)
    assert asked == ["VM.get_record", "VM.set_xenstore_data", "host.call_plugin"]
    assert (stored, is_live, gone) == (["vm-data/hostname", HERE], True, None)


def test_a_running_guest_sees_changes_of_its_metadata_at_once_and_what_others_wrote_stays(tmp_path: Path) -> None:
    role, gone, others = (f"vm-data/{path}" for path in ("user-metadata/role_of_it", "user-metadata/gone", "others"))

    async def body(site: Site) -> Any:
        vm = await running(site, xenstore_data={gone: '"1"', others: "kept"})
        await change_metadata(site.session, vm, {"role of it": 'the "front"', "gone": None})
        asked = list(site.wire.requests)
        domid = await site.session.call("VM.get_domid", vm)
        stored = await site.session.call("VM.get_xenstore_data", vm)
        return asked, stored, [await site.dom0.call("xenstore_read", domid=domid, path=path) for path in (role, gone, others)]

    asked, stored, live = over_dom0(tmp_path, body)
    assert asked == ["VM.remove_from_xenstore_data", "VM.add_to_xenstore_data", "VM.remove_from_xenstore_data"]
    assert stored == {role: '"the \\"front\\""', others: "kept"}
    assert live == [stored[role], None, "kept"]


def test_a_halted_guest_is_told_at_its_next_boot_and_cannot_crash(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(an_instance())
        await stop(rig.session, vm, Patience())
        rig.undisturbed()
        await inject_network_info(rig.session, rig.place, vm, an_instance())
        asked = rig.undisturbed()
        with pytest.raises(Conflict, match="not running"):
            await trigger_crash(rig.session, rig.place, vm)
        return asked

    assert over_rig(tmp_path, body) == ["VM.get_record", "VM.set_xenstore_data"]


def test_a_host_without_our_plugin_says_so(tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        vm = await rig.spawn(an_instance())
        with pytest.raises(PluginMissing):
            await trigger_crash(rig.session, rig.place, vm)

    over_rig(tmp_path, body)


def test_a_vm_is_renamed_and_one_that_is_gone_needs_no_name(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        vm = await rig.spawn(an_instance())
        await rename(rig.session, vm, 'web "of" mine')
        label = await rig.session.call("VM.get_name_label", vm)
        await rename(rig.session, "OpaqueRef:00000000-0000-4000-8000-000000000000", "nobody")
        return label

    assert over_rig(tmp_path, body) == 'web "of" mine'
