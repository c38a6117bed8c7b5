"""Hosts are cared for: images are fetched ahead, orphans are cleaned, disks are weighed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from compute_core.model.errors import ComputeError
from compute_core.xenapi import marks
from compute_core.xenapi.records import vbd_record, vdi_record
from tests.compute_core.faults.awaits import HELD_S
from tests.compute_core.faults.case import Case
from tests.compute_core.faults.deeds import with_server
from tests.compute_core.faults.scene import ADMIN, Scene
from tests.compute_core.simulated import Wire, session_over
from tests.fake_xapi.verbs.kit.hosts import VM_RECORD

STRANGER = "6f70656e-7374-4163-8b00-696e6f766139"


def _host(scene: Scene) -> str:
    return next(iter(scene.fleet.hosts))


async def _cache(scene: Scene) -> None:
    """Nothing tells when it is done: it has time even when a request of it is held up."""
    await scene.cloud.api_cell.cache_images(ADMIN, [_host(scene)], [scene.image.id])
    await asyncio.sleep(HELD_S + 60.0)


async def _an_orphan(scene: Scene) -> None:
    """A VM and its disk, of a server that no cell knows: nobody but an operator takes them away."""
    session = session_over(Wire(scene.fleet.hosts[_host(scene)]))
    try:
        (pool,) = (await session.call("pool.get_all_records")).values()
        label = f"instance-{STRANGER}"
        vm = await session.call("VM.create", {**VM_RECORD, "name_label": label, "other_config": {marks.INSTANCE: STRANGER}})
        mark = {marks.INSTANCE: STRANGER, marks.DISK: "root"}
        disk = await session.call("VDI.create", vdi_record(pool["default_SR"], label, 1 << 20, mark))
        await session.call("VBD.create", vbd_record(vm, disk))
        await session.call("VM.start", vm, False, False)
    finally:
        await session.close()


async def _clean(scene: Scene) -> None:
    """As an operator does: again, when he hears that something stays."""
    for _ in range(3):
        with suppress(ComputeError):
            found = await _asked(scene, "list_orphans")
            cleaned = await _asked(scene, "clean_orphans", ids=[orphan["id"] for orphan in found], older_than_s=0.0)
            if not any(each["problem"] for each in cleaned):
                return


async def _asked(scene: Scene, question: str, **arguments: Any) -> Any:
    return await scene.cloud.api_cell.ask_host(ADMIN, _host(scene), question, **arguments)


async def _measure(scene: Scene) -> None:
    await _asked(scene, "usage")


CARE = (
    Case("cache-image", _cache, at_most=8),
    Case("clean-orphans", _clean, _an_orphan, at_most=12),
    Case("measure-usage", _measure, with_server, at_most=3, earlier="12+4N"),
)
