"""A host to try recipes on: a simulated XAPI on virtual time, a session over a recorded wire, and an image store with one image."""

from __future__ import annotations

import itertools
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from compute_core.images.embedded import EmbeddedImageStore
from compute_core.images.vhd import checksum
from compute_core.model.clock import Clock
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.marks import IMAGE_VDI
from compute_core.xenapi.place import Place, learn
from compute_core.xenapi.session import Session
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.verdicts import as_build_failure
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from tests.compute_core.simulated import Wire, session_over
from tests.compute_core.world import fresh_fleet, only_host

T = TypeVar("T")
URL = "http://127.0.0.1"
CONTENT = b"".join(bytes([number]) * 4096 for number in range(1, 101))
EPOCH = datetime(2012, 8, 1, tzinfo=UTC)


@dataclass
class Rig:
    """All that a recipe is given."""

    xapi: Xapi
    wire: Wire
    session: Session
    place: Place
    images: EmbeddedImageStore
    cache: ImageCache
    image: Image

    async def spawn(self, instance: Instance, image: Image | None = None) -> str:
        with as_build_failure("xs1"):
            return await spawn(self.session, self.place, self.cache, instance, image or self.image)

    def undisturbed(self) -> list[str]:
        """What was asked so far; the wire forgets it, and whatever disturbed it."""
        self.wire.before = self.wire.after = None
        asked = list(self.wire.requests)
        self.wire.requests.clear()
        return asked

    def left(self) -> dict[str, list[str]]:
        return left_on(self.xapi)


def left_on(xapi: Xapi) -> dict[str, list[str]]:
    """What is on the host beside what a fresh one has and whole cached images, by class."""
    world = xapi.world
    rows = {cls: {each: world[each] for each in world.ids(cls)} for cls in NOTHING}
    vdis = {each: row for each, row in rows["VDI"].items() if row["managed"] and world[row["SR"]]["content_type"] != "iso"}
    left = {
        "VM": [row["name_label"] for row in rows["VM"].values() if not row["is_control_domain"] and not row["is_a_template"]],
        "VBD": [row["userdevice"] for row in rows["VBD"].values()],
        "VIF": [row["MAC"] for row in rows["VIF"].values()],
        "VDI": [row["name_label"] for each, row in vdis.items() if row["other_config"].get(IMAGE_VDI) != world.uuid(each)],
        "task": [row["name_label"] for row in rows["task"].values()],
    }
    return {cls: sorted(found) for cls, found in left.items()}


NOTHING: dict[str, list[str]] = {"VM": [], "VBD": [], "VIF": [], "VDI": [], "task": []}


def over_rig(folder: Path, body: Callable[[Rig], Awaitable[T]], release: str = "latest") -> T:
    """Run a test's body on virtual time over a fresh host."""

    async def main() -> T:
        fleet = fresh_fleet(release)
        xapi = only_host(fleet)
        wire = Wire(xapi)
        session = session_over(wire, URL)
        images = image_store(folder)
        place = await learn(session, URL)
        rig = Rig(xapi, wire, session, place, images, ImageCache(place, images), await stored(images, fixed_vhd(CONTENT)))
        wire.requests.clear()
        try:
            return await body(rig)
        finally:
            rig.undisturbed()
            await session.close()
            await fleet.close()

    return run_virtual(main())


def image_store(folder: Path) -> EmbeddedImageStore:
    numbers = itertools.count(1)
    new_id = lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"  # noqa: E731
    return EmbeddedImageStore(folder / "images", Clock.starting(EPOCH), new_id, limit_bytes=1 << 30, is_synced=False)


async def stored(images: EmbeddedImageStore, content: bytes) -> Image:
    image = await images.create("debian", "p", disk_format="vhd", container_format="bare")
    return await images.upload(image.id, in_pieces(content))


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 65536):
        yield content[at : at + 65536]


def fixed_vhd(content: bytes) -> bytes:
    """A VHD whose disk holds ``content``, without a table."""
    footer = bytearray(512)
    struct.pack_into(">8sIIQ", footer, 0, b"conectix", 2, 0x00010000, 0xFFFFFFFFFFFFFFFF)
    struct.pack_into(">QQHBBI", footer, 40, len(content), len(content), len(content) // 512 // (4 * 17), 4, 17, 2)
    struct.pack_into(">I", footer, 64, checksum(bytes(footer), 64))
    return content + bytes(footer)


def content_of(rig: Rig, vdi: str, length: int) -> bytes:
    """The first bytes of a VDI."""
    return rig.xapi.disks.read(rig.xapi.world.find_ref(vdi), 0, length)
