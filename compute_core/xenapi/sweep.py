"""What a crash left among the VDIs of an SR, found by their marks when an agent starts, before it serves. One call and one per stray."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping
from typing import Any

from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, destroy
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi

log = logging.getLogger(__name__)


async def sweep(xapi: XenApi, place: Place, instances: Container[str]) -> None:
    """Destroy the strays. Only for an SR that no other agent works on; ``instances`` are the servers that have a VM here."""
    vdis = await all_of(xapi, "VDI", {"SR": place.sr, "managed": "true"})
    for vdi, why in strays(vdis, instances):
        log.warning("%s: VDI %s is %s, a crash left it: destroyed", place.hostname, vdis[vdi]["uuid"], why)
        await destroy(xapi, "VDI", vdi)


def strays(vdis: Mapping[str, Mapping[str, Any]], instances: Container[str]) -> Iterator[tuple[str, str]]:
    """Refs of VDIs that bear our marks and that nothing uses, each with what it is."""
    for ref, vdi in vdis.items():
        why = _stray(vdi, instances)
        if why:
            yield ref, why


def _stray(vdi: Mapping[str, Any], instances: Container[str]) -> str:
    config = vdi["other_config"]
    is_ours = marks.INSTANCE in config or marks.IMPORTED_FOR in config
    if not is_ours or vdi["VBDs"] or marks.is_cached_image(vdi):
        return ""
    if vdi["is_a_snapshot"]:
        return "a snapshot on its way to an image"
    if marks.IMPORTED_FOR in config:
        return "a clone without a server" if marks.IMAGE_VDI in config else "an image half fetched"
    return "" if config[marks.INSTANCE] in instances else "the disk of a server that has no VM"
