"""From one simulator through a recording to another: the same objects, whatever they are called there; and they live."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fake_xapi.datamodel.personality import personality
from fake_xapi.engine.clock import Clock
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.replay.inventory import Inventory, inventory
from fake_xapi.replay.likeness import Report, likeness
from fake_xapi.replay.proxy import upstream
from fake_xapi.replay.recording import Recorder, read_calls
from fake_xapi.replay.session import Account, record_all
from fake_xapi.replay.standing import stand_in
from tests.fake_xapi.replay.rig import official, run, simulated, simulated_again, url_of

_REF = re.compile(r"OpaqueRef:[0-9a-f-]+")
Named = Mapping[str, Mapping[str, Mapping[str, Any]]]


async def crawled(url: str, path: Path) -> Inventory:
    with Recorder.create(path, {"upstream": url}) as recorder:
        await record_all(upstream(url), recorder, Clock(), Account("root", "xenroot"))
    return inventory(read_calls(path))


def by_uuid(found: Inventory) -> Named:
    """Records by class and uuid, in which refs are uuids too; sets have no order."""
    names = {ref: f"{cls} {record['uuid']}" for cls, records in found.classes.items() for ref, record in records.items()}

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return sorted((named(member) for member in value), key=repr)
        if isinstance(value, dict):
            return {named(key): named(member) for key, member in value.items()}
        return _REF.sub(lambda ref: names.get(ref[0], ref[0]), value) if isinstance(value, str) else value

    return {cls: {record["uuid"]: named(record) for record in records.values()} for cls, records in found.classes.items() if records}


def differences(one: Named, other: Named) -> list[str]:
    """Every field that differs, "class uuid field: value, value"."""
    found = []
    for cls in sorted({*one, *other}):
        here, there = one.get(cls, {}), other.get(cls, {})
        found += [f"{cls} {uuid} is only in one" for uuid in here.keys() ^ there.keys()]
        for uuid in here.keys() & there.keys():
            names = here[uuid].keys() | there[uuid].keys()
            found += [
                f"{cls} {uuid} {name}: {here[uuid].get(name)!r}, {there[uuid].get(name)!r}"
                for name in sorted(names)
                if here[uuid].get(name) != there[uuid].get(name)
            ]
    return found


async def there_and_back(order: Order, folder: Path) -> tuple[Inventory, Inventory, Report]:
    """What a crawl finds of a fleet, and what one finds of the fleet that is made of it, saved and loaded in between."""
    async with simulated(order) as fleet:
        before = await crawled(url_of(fleet), folder / "before")
    world, report = likeness(before, "other")
    made = stand_in(world)
    copy = Fleet(made.order, before=made)
    save_fleet(copy, folder / "state")
    await copy.close()
    loaded = load_fleet(folder / "state")
    second = Fleet(loaded.order, before=loaded)
    try:
        async with served(second):
            return before, await crawled(url_of(second), folder / "after"), report
    finally:
        await second.close()


@pytest.mark.parametrize(
    "order",
    [
        Order(vms=9, snapshots=6, port=0),
        Order(vms=9, snapshots=6, port=0, personality="clearwater"),
        Order(personality="boston", port=0),
        Order(personality="stockholm", hosts=3, pool_size=3, port=0),
    ],
    ids=["latest", "clearwater", "boston", "pool"],
)
def test_every_record_of_every_class_comes_back_equal_up_to_its_refs(order: Order, tmp_path: Path) -> None:
    before, after, report = run(there_and_back(order, tmp_path))
    one, other = by_uuid(before), by_uuid(after)
    assert differences(one, other) == []
    assert {"VM", "host", "PIF", "SR", "role", "SM", "VM_metrics"} <= set(one)
    assert report.release == personality(order.personality).name
    assert (report.unknown, report.dangling, report.misfit) == ({}, {}, {})
    assert {ref for records in before.classes.values() for ref in records} & {
        ref for cls, records in after.classes.items() if cls != "role" for ref in records
    } == set()


def running_vm(xapi: Any) -> str:
    vms: list[tuple[str, dict[str, Any]]] = list(xapi.VM.get_all_records().items())
    return next(ref for ref, vm in vms if vm["power_state"] == "Running" and not vm["is_control_domain"])


def test_the_copy_lives_as_any_simulated_host(tmp_path: Path) -> None:
    def live(session: Any) -> dict[str, Any]:
        xapi = session.xenapi
        running = next(
            ref for ref, vm in xapi.VM.get_all_records().items() if vm["power_state"] == "Running" and not vm["is_control_domain"]
        )
        halted = next(
            ref for ref, vm in xapi.VM.get_all_records().items()
            if vm["power_state"] == "Halted" and not vm["is_a_template"] and not vm["is_a_snapshot"]
        )  # fmt: skip
        snapshot = xapi.VM.snapshot(running, "mine")
        xapi.VM.clean_shutdown(running)
        xapi.VM.start(halted, False, False)
        domid = int(xapi.VM.get_domid(halted))
        disk = next(vdi for vbd in xapi.VM.get_VBDs(running) if (vdi := xapi.VBD.get_VDI(vbd)) in xapi.VDI.get_all())
        copy = xapi.VDI.copy(disk, xapi.VDI.get_SR(disk))
        xapi.SR.scan(xapi.VDI.get_SR(disk))
        xapi.VDI.resize(copy, str(int(xapi.VDI.get_virtual_size(copy)) * 2))
        xapi.VM.destroy(xapi.VM.clone(running, "clone"))
        size = int(xapi.VDI.get_virtual_size(copy)) // int(xapi.VDI.get_virtual_size(disk))
        xapi.VM.revert(snapshot)
        return {
            "halted": xapi.VM.get_power_state(running),
            "started": xapi.VM.get_power_state(halted),
            "domids": sorted(int(vm["domid"]) for vm in xapi.VM.get_all_records().values() if int(vm["domid"]) > 0),
            "domid": domid,
            "size": size,
        }

    async def body() -> dict[str, Any]:
        async with simulated(Order(vms=9, snapshots=6)) as fleet:
            found = await crawled(url_of(fleet), tmp_path / "r")
        made = stand_in(likeness(found, "other")[0])
        async with simulated_again(made) as url:
            return await official(url, live)

    said = run(body())
    assert (said["halted"], said["started"], said["size"]) == ("Halted", "Running", 2)
    assert len(said["domids"]) == len(set(said["domids"])) == 8
    assert said["domid"] == max(said["domids"])


def test_a_guest_that_was_up_does_not_boot_again_and_one_that_starts_does(tmp_path: Path) -> None:
    def look(session: Any) -> bool:
        xapi = session.xenapi
        vm = running_vm(xapi)
        before = xapi.VM.get_guest_metrics(vm)
        xapi.VM.pause(vm)
        xapi.VM.unpause(vm)
        kept = bool(xapi.VM.get_guest_metrics(vm) == before)
        xapi.VM.hard_reboot(vm)
        boots(xapi, vm)
        return kept

    async def body() -> bool:
        async with simulated(Order(vms=2)) as fleet:
            found = await crawled(url_of(fleet), tmp_path / "r")
        async with simulated_again(stand_in(likeness(found, "other")[0])) as url:
            return await official(url, look)

    assert run(body())


def boots(xapi: Any, vm: str) -> None:
    """Wait until the VM's guest can be asked to shut down; an empty batch after 30 s fails."""
    token, is_up = "", False
    while not is_up:
        batch = xapi.event_from([f"VM/{vm}"], token, 30.0)
        token = batch["token"]
        is_up = "clean_shutdown" in batch["events"][-1]["snapshot"]["allowed_operations"]
