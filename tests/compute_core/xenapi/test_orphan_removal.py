"""Orphans on a simulated host are found with two calls, and go one by one; what is not ours stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.orphans import Kind, Orphan
from compute_core.xenapi import marks
from compute_core.xenapi import orphan_removal as removal_module
from compute_core.xenapi import orphans as orphan_module
from compute_core.xenapi.orphan_removal import REMOVERS, clean
from compute_core.xenapi.orphans import Asked, Found, Known, look, orphans
from compute_core.xenapi.records import Drive, drive_record, vbd_record, vdi_record
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import Targets, sr_label
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.rig import Rig, left_on, over_rig
from tests.compute_core.simulated import loses_reply, refuses
from tests.compute_core.values import UUID, an_instance
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

TARGET_SR = "3cca4135-a809-4bb3-af62-275fbfe87178"
HERE = {UUID: Known(is_here=True)}


def nobody(_: str) -> bool:
    return False


async def found_on(site: Any, known: Mapping[str, Known]) -> list[Found]:
    sight = await look(site.session, site.place, "cell1")
    return list(orphans(sight, Asked(known, nobody, nobody)))


async def _dead_server(rig: Rig) -> Mapping[str, Known]:
    await rig.spawn(an_instance(vifs=()))
    return {UUID: Known(is_gone=True)}


async def _former(rig: Rig) -> Mapping[str, Known]:
    vm = await rig.spawn(an_instance(vifs=()))
    await rig.session.call("VM.set_other_config", vm, {marks.FORMER: UUID})
    await rig.session.call("VM.set_name_label", vm, f"instance-{UUID}-orig")
    return {UUID: Known()}


async def _rescue(rig: Rig) -> Mapping[str, Known]:
    record = {**VM_RECORD, "name_label": marks.rescue_label(UUID), "other_config": {marks.RESCUE: UUID}}
    vm = await rig.session.call("VM.create", record)
    mark = {marks.INSTANCE: UUID, marks.DISK: "rescue"}
    disk = await rig.session.call("VDI.create", vdi_record(rig.place.sr, marks.rescue_label(UUID), 1 << 20, mark))
    await rig.session.call("VBD.create", vbd_record(vm, disk))
    return {UUID: Known(is_gone=True)}


async def _disk(rig: Rig) -> Mapping[str, Known]:
    mark = {marks.INSTANCE: UUID, marks.DISK: "root"}
    await rig.session.call("VDI.create", vdi_record(rig.place.sr, f"instance-{UUID}", 1 << 20, mark))
    return {UUID: Known(is_gone=True)}


async def _plugged(rig: Rig) -> Mapping[str, Known]:
    """A disk of a server whose fitting was broken off: it is still in dom0."""
    await rig.spawn(an_instance(vifs=()))
    mark = {marks.INSTANCE: UUID, marks.DISK: "ephemeral0"}
    disk = await rig.session.call("VDI.create", vdi_record(rig.place.sr, f"instance-{UUID}", 1 << 20, mark))
    (dom0,) = await rig.session.call("VM.get_all_records_where", 'field "is_control_domain"="true"')
    vbd = await rig.session.call("VBD.create", drive_record(dom0, Drive(disk, "autodetect")))
    await rig.session.call("VBD.plug", vbd)
    return HERE


async def _port(rig: Rig) -> Mapping[str, Known]:
    await rig.spawn(an_instance())
    return HERE


async def _target(rig: Rig) -> Mapping[str, Known]:
    await rig.session.call("SR.introduce", TARGET_SR, sr_label(TARGET_SR), "volumes of iqn.x at 10.0.0.9:3260", "iscsi", "", True, {})
    return {}


async def _task(rig: Rig) -> Mapping[str, Known]:
    await rig.session.call("task.create", marks.import_label("image", UUID), "")
    return {}


CASES: Mapping[str, tuple[Kind, Callable[[Rig], Awaitable[Mapping[str, Known]]]]] = {
    "server": ("VM", _dead_server),
    "former": ("VM", _former),
    "rescue": ("VM", _rescue),
    "disk": ("VDI", _disk),
    "plugged": ("VBD", _plugged),
    "port": ("VIF", _port),
    "target": ("SR", _target),
    "task": ("task", _task),
}


def test_there_is_a_case_for_every_way_to_remove() -> None:
    assert {kind for kind, _ in CASES.values()} | {"file"} == REMOVERS.keys()


async def _somebodys(xapi: XenApi, sr: str) -> None:
    """What a host may hold that is not ours."""
    vm = await xapi.call("VM.create", {**VM_RECORD, "name_label": f"instance-{UUID}"})
    disk = await xapi.call("VDI.create", vdi_record(sr, f"instance-{UUID}", 1 << 20, {}))
    await xapi.call("VBD.create", vbd_record(vm, disk))
    await xapi.call("VDI.create", vdi_record(sr, "somebody's", 1 << 20, {"nova_instance_uuid": UUID}))
    await xapi.call("task.create", "somebody's", "")


SOMEBODYS = {
    "VM": [f"instance-{UUID}"],
    "VBD": ["0"],
    "VIF": [],
    "VDI": [f"instance-{UUID}", "somebody's"],
    "task": ["somebody's"],
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("is_lossy", [False, True])
def test_an_orphan_goes_with_all_that_is_its_own_and_what_is_somebodys_stays(tmp_path: Path, name: str, is_lossy: bool) -> None:
    kind, made = CASES[name]

    async def body(rig: Rig) -> Any:
        known = await made(rig)
        await _somebodys(rig.session, rig.place.sr)
        rig.undisturbed()
        found = await found_on(rig, known)
        asked = rig.undisturbed()
        for each in found:
            rig.undisturbed()
            if is_lossy:
                rig.wire.after = loses_reply(1)
            assert (await clean(rig.session, rig.place, Targets(rig.place.host), each)).problem == ""
        await asyncio.sleep(1)
        return [each.orphan.kind for each in found], asked, await found_on(rig, known), left_on(rig.xapi)

    kinds, asked, again, left = over_rig(tmp_path, body)
    assert (kinds, asked) == ([kind], ["event.from", "host.call_plugin"])
    if name == "plugged":  # the disk itself hangs on nobody now
        assert [each.orphan.kind for each in again] == []
    elif name != "port":
        assert (again, left) == ([], SOMEBODYS)


async def _double(rig: Rig, **mark: str) -> Found:
    """A left-over of the running server with a disk of its own, that has the server's root disk attached as well."""
    (server,) = await rig.session.call("VM.get_by_name_label", f"instance-{UUID}")
    (vbd,) = await rig.session.call("VM.get_VBDs", server)
    root = await rig.session.call("VBD.get_VDI", vbd)
    vm = await rig.session.call("VM.create", {**VM_RECORD, "name_label": f"instance-{UUID}", "other_config": mark})
    marked = {marks.INSTANCE: UUID, marks.DISK: "root"}
    own = await rig.session.call("VDI.create", vdi_record(rig.place.sr, "its own", 1 << 20, marked))
    await rig.session.call("VDI.create", vdi_record(rig.place.sr, "nobody's yet", 1 << 20, marked))
    await rig.session.call("VBD.create", vbd_record(vm, own))
    await rig.session.call("VBD.create", {**vbd_record(vm, root), "userdevice": "1", "mode": "RO"})
    record = await rig.session.call("VM.get_record", vm)
    return Found(Orphan("VM", record["uuid"], record["name_label"], "its server is on another host", UUID), vm, record)


@pytest.mark.parametrize(("mark", "disks"), [(marks.INSTANCE, []), (marks.FORMER, []), (marks.RESCUE, ["its own"])])
def test_a_double_goes_alone_and_the_server_with_its_disks_stays(tmp_path: Path, mark: str, disks: list[str]) -> None:
    async def body(rig: Rig) -> Any:
        await rig.spawn(an_instance(vifs=()))
        double = await _double(rig, **{mark: UUID})
        problems = [(await clean(rig.session, rig.place, Targets(rig.place.host), double)).problem for _ in range(2)]
        (server,) = await rig.session.call("VM.get_by_name_label", f"instance-{UUID}")
        return problems, await rig.session.call("VM.get_power_state", server), rig.left()

    label = f"instance-{UUID}"
    left = {"VM": [label], "VBD": ["0"], "VIF": [], "VDI": sorted([label, "nobody's yet", *disks]), "task": []}
    assert over_rig(tmp_path, body) == (["", ""], "Running", left)


def test_one_that_cannot_go_says_why(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        known = await _disk(rig)
        (found,) = await found_on(rig, known)
        rig.undisturbed()
        rig.wire.before = refuses(1, "SR_BACKEND_FAILURE_80", "", "busy", "")
        return await clean(rig.session, rig.place, Targets(rig.place.host), found)

    assert "SR_BACKEND_FAILURE_80" in over_rig(tmp_path, body).problem


def test_a_folder_that_a_broken_transfer_left_in_dom0_goes_when_nothing_was_written_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    async def body(site: Site) -> Any:
        await site.dom0.prepare_transfer(site.sr_uuid, "m-0")
        young = await found_on(site, {})
        for module in (orphan_module, removal_module):
            monkeypatch.setattr(module, "FILES_IDLE_S", 0)
        (found,) = await found_on(site, {})
        done = await clean(site.session, site.place, Targets(site.place.host), found)
        return young, found.orphan.id.rpartition("/")[2], done.problem, await site.dom0.leftovers()

    assert over_dom0(tmp_path, body) == ([], "m-0", "", [])
