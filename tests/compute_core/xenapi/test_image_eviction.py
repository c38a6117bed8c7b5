"""Images that a host keeps: which may go, which go by themselves, and that none goes that somebody needs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.cached_images import CachedImage, Evicted, EvictionPolicy
from compute_core.model.clock import Clock
from compute_core.xenapi import image_eviction
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.image_eviction import Kept, asked, doomed, evict, evict_by_policy, kept_images
from compute_core.xenapi.kernels import keep_kernels_ahead
from compute_core.xenapi.removal import remove
from compute_core.xenapi.spawn import spawn
from tests.compute_core.dom0.simulated import Site, over_dom0
from tests.compute_core.rig import EPOCH, Rig, image_store, in_pieces, over_rig
from tests.compute_core.simulated import loses_reply, refuses
from tests.compute_core.values import UUID, an_instance

NOW = datetime(2012, 8, 31, tzinfo=UTC)
DAY_S = 86_400.0


def nobody(_: str) -> bool:
    return False


def image(name: str, used: str, own: int = 10, in_use: str = "", kind: Any = "disk") -> CachedImage:
    return CachedImage(name, kind, own, 0, used, in_use)


OLD, NEWER, NEW = image("old", "2012-08-01T00:00:00Z"), image("newer", "2012-08-20T00:00:00Z"), image("new", "2012-08-30T00:00:00Z")
BUSY, UNDATED = image("busy", "2012-01-01T00:00:00Z", in_use="a build needs it"), image("undated", "")
KERNEL = image("kernel", "2012-08-02T00:00:00Z", kind="kernel")
EVERY = (NEW, UNDATED, BUSY, OLD, KERNEL, NEWER)


@pytest.mark.parametrize(
    ("policy", "used", "gone"),
    [
        (EvictionPolicy(), 100, []),
        (EvictionPolicy(keep_s=20 * DAY_S), 100, [OLD, KERNEL]),
        (EvictionPolicy(high=0.9, low=0.8), 90, []),
        (EvictionPolicy(high=0.9, low=0.8), 91, [OLD, NEWER]),
        (EvictionPolicy(high=0.9, low=0.0), 91, [OLD, NEWER, NEW, UNDATED]),
        (EvictionPolicy(keep_s=20 * DAY_S, high=0.9, low=0.8), 91, [OLD, KERNEL, NEWER]),
        (EvictionPolicy(keep_s=20 * DAY_S, high=0.9, low=0.85), 91, [OLD, KERNEL]),
    ],
)
def test_what_is_old_goes_and_what_is_too_much_by_when_it_was_used(policy: EvictionPolicy, used: int, gone: list[CachedImage]) -> None:
    assert [each for each, _ in doomed(EVERY, policy, NOW, used, 100)] == gone
    assert policy.is_on == (policy != EvictionPolicy())


def test_what_is_asked_for_goes_unless_it_is_in_use() -> None:
    assert asked(EVERY, ["old", "busy", "unknown"]) == [(OLD, "asked for")]
    assert [each for each, _ in asked(EVERY, None)] == [NEW, UNDATED, OLD, KERNEL, NEWER]


async def listed(rig: Rig, is_busy: Any = nobody) -> Kept:
    return await kept_images(rig.session, rig.place, is_busy, NOW)


def clocked(rig: Rig) -> ImageCache:
    return ImageCache(rig.place, rig.images, clock=Clock.starting(EPOCH))


def test_an_image_is_in_use_while_disks_stand_on_it_and_may_go_when_they_are_gone(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        rig.cache = clocked(rig)
        await rig.spawn(an_instance())
        rig.undisturbed()
        (busy,), asked_for = (await listed(rig)).images, rig.undisturbed()
        held = (await listed(rig, rig.image.id.__eq__)).images[0].in_use
        await remove(rig.session, UUID, f"instance-{UUID}")
        await asyncio.sleep(600)  # the SR gives back what nobody needs any more
        kept = await listed(rig)
        rig.undisturbed()
        gone = await evict(rig.session, rig.place, rig.cache, kept, asked(kept.images, None))
        return busy, asked_for, held, kept.images, gone, rig.undisturbed(), (await listed(rig)).images, rig.image.id

    busy, asked_for, held, (idle,), gone, calls, after, image_id = over_rig(tmp_path, body)
    assert asked_for == ["VDI.get_all_records_where", "host.call_plugin"]
    assert (busy.image_id, busy.in_use, held) == (image_id, "disks that stand on it: 1", "a build needs it")
    assert busy.shared_bytes > 0
    assert (idle.in_use, idle.used, idle.shared_bytes) == ("", "2012-08-01T00:00:00Z", 0)
    assert gone == [Evicted(image_id, "disk", idle.own_bytes, "asked for")]
    assert (calls, after) == (["VDI.destroy"], ())


def test_the_use_of_an_image_is_noted_and_not_at_every_server(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        rig.cache = clocked(rig)
        notes = []
        for number, pause_s in enumerate((0.0, 60.0, 3600.0)):
            await asyncio.sleep(pause_s)
            rig.undisturbed()
            await rig.spawn(an_instance(f"{UUID[:-1]}{number}", vifs=()))
            notes.append(rig.undisturbed().count("VDI.set_other_config"))
        return notes, (await listed(rig)).images[0].used

    notes, used = over_rig(tmp_path, body)
    assert notes == [2, 1, 2]
    assert used > "2012-08-01T01:00:00Z"


def test_an_image_that_a_build_came_to_need_meanwhile_stays_and_a_lost_answer_is_no_failure(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        await rig.cache.ahead(rig.session, rig.image)
        kept = await listed(rig)
        async with rig.cache.holding(rig.image.id, "another"):
            held = await evict(rig.session, rig.place, rig.cache, kept, asked(kept.images, None))
        rig.undisturbed()
        rig.wire.after = loses_reply(1)
        gone = await evict(rig.session, rig.place, rig.cache, kept, asked(kept.images, None))
        return held, [each.image_id for each in gone] == [rig.image.id], (await listed(rig)).images

    assert over_rig(tmp_path, body) == ([], True, ())


def test_an_image_that_cannot_be_destroyed_keeps_no_other_and_what_has_gone_is_told(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        other = await _stored(rig.images, b"another" * 1000, "raw")
        for each in (rig.image, other):
            await rig.cache.ahead(rig.session, each)
        kept = await listed(rig)
        rig.undisturbed()
        rig.wire.before = refuses(1, "SR_BACKEND_FAILURE_80", "", "busy", "")
        gone = await evict(rig.session, rig.place, rig.cache, kept, asked(kept.images, None))
        rig.undisturbed()
        return [each.image_id for each in kept.images], [each.image_id for each in gone], (await listed(rig)).images

    (first, second), gone, left = over_rig(tmp_path, body)
    assert (gone, [each.image_id for each in left]) == ([second], [first])


def test_what_lies_too_long_goes_by_itself(tmp_path: Path) -> None:
    async def body(rig: Rig) -> Any:
        rig.cache = clocked(rig)
        await rig.cache.ahead(rig.session, rig.image)
        rig.undisturbed()
        found = []
        for days in (1, 3):
            now = EPOCH + timedelta(days=days)
            found.append(await evict_by_policy(rig.session, rig.place, rig.cache, EvictionPolicy(2 * DAY_S), now, nobody))
        return found, rig.undisturbed()

    (none, one), calls = over_rig(tmp_path, body)
    assert (none, [each.why for each in one]) == ([], ["not used since 2012-08-01T00:00:00Z"])
    assert calls == ["VDI.get_all_records_where", "host.call_plugin", "SR.get_record"] * 2 + ["VDI.destroy"]


def test_kernels_stay_while_a_vm_boots_them_and_for_an_hour_after_they_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    async def body(site: Site) -> Any:
        store = image_store(tmp_path)
        kernel = await _stored(store, b"\x7fELF kernel" * 300, "aki")
        image = await _stored(store, b"a file system" * 100, "ami", kernel_id=kernel.id)
        cache = ImageCache(site.place, store)
        await keep_kernels_ahead(site.session, site.place, cache, image)
        await spawn(site.session, site.place, cache, an_instance(vifs=()), image)
        site.wire.requests.clear()
        booted = await kept_images(site.session, site.place, nobody, NOW)
        calls = list(site.wire.requests)
        await remove(site.session, UUID, f"instance-{UUID}")
        idle = await kept_images(site.session, site.place, nobody, NOW)
        going = [(each, why) for each, why in asked(idle.images, None) if each.kind == "kernel"]
        early = await evict(site.session, site.place, cache, idle, going)
        monkeypatch.setattr(image_eviction, "IDLE_S", 0)
        late = await evict(site.session, site.place, cache, idle, going)
        left = await site.dom0.list_kernels()
        return calls, _kernels(booted), _kernels(idle), early, [(each.kind, each.own_bytes) for each in late], left

    calls, booted, idle, early, late, left = over_dom0(tmp_path / "plugin", body)
    assert calls == ["VDI.get_all_records_where", "host.call_plugin", "VM.get_all_records_where"]
    assert (booted, idle) == (["VMs that boot it: 1"], [""])
    assert (early, late, left) == ([], [("kernel", 3300)], [])


async def _stored(store: Any, content: bytes, disk_format: str, **properties: str) -> Any:
    made = await store.create("it", "p", disk_format=disk_format, container_format=disk_format, properties=properties)
    return await store.upload(made.id, in_pieces(content))


def _kernels(kept: Kept) -> list[str]:
    return [each.in_use for each in kept.images if each.kind == "kernel"]
