"""What the VDIs of an SR say of the chains behind them: who is made on what, and when the garbage collector has done its part.

One call shows an SR whole; what is waited for comes as an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compute_core.xenapi import marks
from compute_core.xenapi.session import XenApi

log = logging.getLogger(__name__)

PARENT = "vhd-parent"
COALESCE_S = 100.0
"""So long the garbage collector is waited for; a disk can be read all the same."""
EVENT_WAIT_S = 30.0
MOST_LINKS = 64


@dataclass(frozen=True, slots=True)
class Chains:
    """The records of an SR's VDIs, by ref."""

    vdis: Mapping[str, Mapping[str, Any]]

    def uuids_below(self, vdi: str) -> tuple[str, ...]:
        """The bases that a disk is made on, the nearest first."""
        return tuple(self._below(vdi))

    def _below(self, vdi: str) -> Iterator[str]:
        by_uuid = {record["uuid"]: record for record in self.vdis.values()}
        record: Mapping[str, Any] | None = self.vdis.get(vdi)
        for _ in range(MOST_LINKS):
            parent = "" if record is None else record["sm_config"].get(PARENT, "")
            if not parent:
                return
            yield parent
            record = by_uuid.get(parent)

    def will_coalesce(self, vdi: str) -> bool:
        """Whether a snapshot of the disk lets the garbage collector merge: nothing else is made on the base below."""
        below = self.uuids_below(vdi)[:1]
        return bool(below) and sum(record["sm_config"].get(PARENT) == below[0] for record in self.vdis.values()) == 1

    def image_of(self, vdi: str) -> tuple[str, str] | None:
        """The cached image, ref and uuid, that a disk is a copy of, when both still have a base in common."""
        below, image = set(self.uuids_below(vdi)), self._image_id(vdi)
        for ref, record in self.vdis.items():
            is_it = record["other_config"].get(marks.IMAGE) == image and marks.is_cached_image(record)
            if image and is_it and below.intersection(self.uuids_below(ref)):
                return ref, record["uuid"]
        return None

    def _image_id(self, vdi: str) -> str:
        record = self.vdis.get(vdi)
        return "" if record is None else str(record["other_config"].get(marks.IMAGE, ""))


async def settled(xapi: XenApi, vdi: str, below: Collection[str]) -> None:
    """Wait until a new snapshot has been put on one of the bases that its disk was made on; after COALESCE_S no longer."""
    loop = asyncio.get_running_loop()
    end_s, token = loop.time() + COALESCE_S, ""
    while loop.time() < end_s:
        batch = await xapi.call("event.from", [f"VDI/{vdi}"], token, min(EVENT_WAIT_S, end_s - loop.time()))
        token = batch["token"]
        parents = [event["snapshot"]["sm_config"].get(PARENT, "") for event in batch["events"] if "snapshot" in event]
        if parents and (not parents[-1] or parents[-1] in below):
            return
    log.warning("the garbage collector has not come to %s within %g s", vdi, COALESCE_S)
