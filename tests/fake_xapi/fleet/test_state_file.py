"""A fleet as one file: it comes back as it was, bytes of disks and all, and a file that is none is refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.state_file import load_fleet, save_fleet
from fake_xapi.state.ids import NULL, Id
from fake_xapi.state.storage import BadWorldFile
from fake_xapi.state.value import diff

NOISE = random.Random(1).randbytes(BLOCK_BYTES)


def saved(path: Path, change: Callable[[Fleet], None] = lambda _: None) -> Fleet:
    """A fleet of two hosts, changed and saved; it goes on living."""

    async def made() -> Fleet:
        fleet = Fleet(Order(hosts=2, seed=7))
        change(fleet)
        save_fleet(fleet, path)
        return fleet

    return run_virtual(made())


def a_disk_with_a_clone(fleet: Fleet) -> None:
    xapi = fleet.hosts["xs00002"]
    with xapi.world.edit() as edit:
        vdis = [edit.create("VDI", name_label=name) for name in ("disk", "clone")]
    xapi.disks.create(vdis[0], 3 * BLOCK_BYTES)
    xapi.disks.write(vdis[0], BLOCK_BYTES, NOISE)
    xapi.disks.clone(*vdis)
    xapi.disks.write(vdis[1], 0, b"first")


def vdi(fleet: Fleet, label: str) -> Id:
    return fleet.hosts["xs00002"].world.named("VDI", label)[0]


def test_worlds_come_back_as_they_were_and_a_fresh_host_takes_next_to_no_room(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        with fleet.hosts["xs00002"].world.edit() as edit:
            edit.create("VM", name_label="mine")

    fleet = saved(tmp_path / "f", change)
    loaded = load_fleet(tmp_path / "f")
    assert loaded.order == fleet.order
    assert [list(diff(fleet.hosts[name].world.value, loaded.worlds[name].value)) for name in fleet.hosts] == [[], []]
    world = loaded.worlds["xs00002"]
    assert world.uuid(world.named("VM", "mine")[0]) == fleet.hosts["xs00002"].world.uuid(world.named("VM", "mine")[0])
    assert (tmp_path / "f").stat().st_size < 20_000


def test_disks_come_back_with_their_bytes_and_share_them_as_before(tmp_path: Path) -> None:
    fleet = saved(tmp_path / "f", a_disk_with_a_clone)
    assert (tmp_path / "f").stat().st_size < 2 * BLOCK_BYTES + 30_000
    loaded = load_fleet(tmp_path / "f").disks["xs00002"]
    disk, clone = vdi(fleet, "disk"), vdi(fleet, "clone")
    assert loaded.read(disk, 0, 3 * BLOCK_BYTES) == bytes(BLOCK_BYTES) + NOISE + bytes(BLOCK_BYTES)
    assert loaded.read(clone, 0, 2 * BLOCK_BYTES) == b"first".ljust(BLOCK_BYTES, b"\0") + NOISE
    assert loaded.diff(clone, disk) == [0]


def test_a_fleet_lives_on_from_its_file(tmp_path: Path) -> None:
    fleet = saved(tmp_path / "f", a_disk_with_a_clone)

    async def revived() -> tuple[list[dict[str, str]], bytes]:
        before = load_fleet(tmp_path / "f")
        again = Fleet(before.order, before=before)
        content = again.hosts["xs00002"].disks.read(vdi(fleet, "clone"), 0, 5)
        inventory = again.inventory()
        await again.close()
        return inventory, content

    assert run_virtual(revived()) == (fleet.inventory(), b"first")


def test_calls_that_were_under_way_have_ended(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        world = fleet.hosts["xs00001"].world
        with world.edit() as edit:
            tasks = [edit.create("task", name_label="t", status=status) for status in ("pending", "success")]
            vm = edit.create("VM", name_label="busy", metrics=edit.create("VM_metrics"))
            edit.set(vm, current_operations={world.ref(tasks[0]): "start"}, scheduled_to_be_resident_on=fleet.hosts["xs00001"].host)

    saved(tmp_path / "f", change)
    world = load_fleet(tmp_path / "f").worlds["xs00001"]
    row = world[world.named("VM", "busy")[0]]
    assert (row["current_operations"], row["scheduled_to_be_resident_on"], "start" in row["allowed_operations"]) == ({}, NULL, True)
    assert [row["status"] for _, row in world.rows("task")] == ["success"]


def test_a_fleet_that_cannot_be_saved_leaves_the_older_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "f")
    older = (tmp_path / "f").read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        saved(tmp_path / "f", a_disk_with_a_clone)
    assert ([path.name for path in tmp_path.iterdir()], (tmp_path / "f").read_bytes()) == (["f"], older)


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (lambda _: b"", "not a fleet of the format"),
        (lambda _: b"something else entirely", "not a fleet of the format"),
        (lambda content: content[: len(content) // 2], "damaged"),
        (lambda content: content[:-BLOCK_BYTES], "damaged"),
        (lambda content: content[:-5], "damaged"),
        (lambda content: content.replace(b"latest", b"latset"), "damaged .*no XenServer release is called 'latset'"),
        (lambda content: content[:14] + b"\xff" * 8 + content[22:], "damaged"),
    ],
)
def test_a_file_that_is_no_fleet_is_refused_with_its_name_and_the_cure(
    tmp_path: Path, spoil: Callable[[bytes], bytes], refusal: str
) -> None:
    path = tmp_path / "f"
    saved(path, a_disk_with_a_clone)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadWorldFile, match=rf"{path}: {refusal}.*; name another file, or remove this one to begin anew"):
        load_fleet(path)


def test_disks_that_are_only_measured_come_back_as_large_as_they_were(tmp_path: Path) -> None:
    async def made() -> list[tuple[list[int], list[int]]]:
        fleet = Fleet(Order(hosts=2, seed=7, disk_bytes="measure"))
        a_disk_with_a_clone(fleet)
        save_fleet(fleet, tmp_path / "f")
        loaded = Fleet(fleet.order, before=load_fleet(tmp_path / "f"))
        stores = [(one, one.hosts["xs00002"].disks) for one in (fleet, loaded)]
        seen = [(store.blocks(vdi(one, "disk")), store.diff(vdi(one, "clone"), vdi(one, "disk"))) for one, store in stores]
        assert all(store.is_hollow for _, store in stores)
        return seen

    assert run_virtual(made()) == [([1], [0]), ([1], [0])]
    assert (tmp_path / "f").stat().st_size < BLOCK_BYTES


def test_arrays_come_back_with_what_is_on_them(tmp_path: Path) -> None:
    config = {"target": "10.255.0.20", "targetIQN": "iqn.2012-08.example.storage:array1", "SCSIid": "360a98000534b4f4e46704f76692d6d00"}

    async def made() -> None:
        fleet = Fleet(Order(hosts=2, seed=7))
        first = await _created(fleet, config)
        save_fleet(fleet, tmp_path / "f")
        loaded = Fleet(fleet.order, before=load_fleet(tmp_path / "f"))
        for name in loaded.hosts:
            assert first in await _called(loaded, name, "SR.probe", config, "lvmoiscsi", {})
        await _called(loaded, "xs00001", "SR.get_all")

    run_virtual(made())


async def _created(fleet: Fleet, config: dict[str, str]) -> str:
    sr = await _called(fleet, "xs00001", "SR.create", config, "0", "san", "", "lvmoiscsi", "", True, {})
    world = fleet.hosts["xs00001"].world
    return world.uuid(world.find_ref(sr))


async def _called(fleet: Fleet, name: str, method: str, *params: object) -> str:
    xapi = fleet.hosts[name]
    session = xapi.dispatch("session.login_with_password", ["root", "xenroot"])
    session = await session if asyncio.iscoroutine(session) else session
    host = [] if method == "SR.get_all" else [xapi.world.ref(xapi.host)]
    answer = xapi.dispatch(method, [session, *host, *params])
    return str(await answer if asyncio.iscoroutine(answer) else answer)


def test_what_goes_on_by_itself_goes_on_after_a_load(tmp_path: Path) -> None:
    def change(fleet: Fleet) -> None:
        xapi = fleet.hosts["xs00001"]
        with xapi.world.edit() as edit:
            sr = xapi.world.named("SR", "Local storage")[0]
            edit.set(sr, other_config={"auto-scan": "true"}, virtual_allocation=-5)
            for name, wish in (("boots", {}), ("leaves", {"sim.halt-after": "60"})):
                vm = edit.create("VM", name_label=name, power_state="Running", domid=7, resident_on=xapi.host)
                edit.set(vm, metrics=edit.create("VM_metrics"), other_config=wish, actions_after_shutdown="destroy")

    saved(tmp_path / "f", change)

    async def revived() -> tuple[list[str], int]:
        before = load_fleet(tmp_path / "f")
        again = Fleet(before.order, before=before)
        again.awaken()
        await asyncio.sleep(600)
        world = again.hosts["xs00001"].world
        boots, leaves = (world[world.named("VM", name)[0]] for name in ("boots", "leaves"))
        live = world[boots["guest_metrics"]]["live"]
        allocation: int = world[world.named("SR", "Local storage")[0]]["virtual_allocation"]
        await again.close()
        return [str(live), boots["power_state"], leaves["power_state"]], allocation

    assert run_virtual(revived()) == (["True", "Running", "Halted"], 0)
