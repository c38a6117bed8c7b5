"""What crashes, dead hosts and lost answers left among the VDIs of an SR and the tasks, found by our marks: two calls, one per stray.

Only for an SR that no other agent works on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, destroy
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi

log = logging.getLogger(__name__)

IsBusy = Callable[[str], bool]
"""Whether an operation is under way on a server, by its uuid, or an image, by its id, is being fetched or cloned."""


async def sweep(xapi: XenApi, place: Place, servers: Container[str], is_busy: IsBusy) -> None:
    """Destroy the strays. ``servers`` have a VM here; both are asked afterwards: what is made meanwhile is not among them."""
    tasks = await xapi.call("task.get_all_records")
    vdis = await all_of(xapi, "VDI", {"SR": place.sr, "managed": "true"})
    for vdi, why in list(strays(vdis, servers, is_busy)):
        log.warning("%s: VDI %s is %s: destroyed", place.hostname, vdis[vdi]["uuid"], why)
        await destroy(xapi, "VDI", vdi)
    for task, record in tasks.items():
        image = marks.imported_image(record["name_label"])
        _, server = marks.transfer_of(record["name_label"])
        if (image and not is_busy(image)) or (server and not is_busy(server)):
            await end_task(xapi, task)


async def end_task(xapi: XenApi, task: str) -> None:
    """A pending task goes when it ends, and nobody else will end it. Releases that cannot be told so forget it after a day."""
    try:
        await xapi.call("task.set_status", task, "cancelled")
    except XenApiFailure as failure:
        if failure.code not in {"MESSAGE_METHOD_UNKNOWN", "HANDLE_INVALID"}:
            raise
    await destroy(xapi, "task", task)


def _is_kept(config: Mapping[str, str], servers: Container[str]) -> bool:
    """Whether it is what the next backup of a server may be compared with: which of several it is, that backup knows."""
    return marks.BACKUP in config and config.get(marks.INSTANCE) in servers


def strays(vdis: Mapping[str, Mapping[str, Any]], servers: Container[str], is_busy: IsBusy) -> Iterator[tuple[str, str]]:
    """Refs of VDIs that bear our marks, hang on no VM and are no whole image, each with what it is."""
    for ref, vdi in vdis.items():
        config = vdi["other_config"]
        if vdi["VBDs"] or marks.is_cached_image(vdi) or _is_kept(config, servers):
            continue
        if marks.IMPORTED_FOR in config and not is_busy(config[marks.IMAGE]):
            yield ref, "a clone without a server" if marks.IMAGE_VDI in config else "an image half fetched"
        elif marks.INSTANCE in config and not is_busy(config[marks.INSTANCE]):
            if vdi["is_a_snapshot"]:
                yield ref, "a snapshot that no image or backup needs"
            elif config.get(marks.DISK) == "rescue":
                yield ref, "the disk of a rescue that was broken off"
            elif config[marks.INSTANCE] not in servers:
                yield ref, "the disk of a server that has no VM"
