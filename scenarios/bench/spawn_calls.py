"""How many XenAPI calls it takes to spawn a server from a cached image, counted over real HTTP."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.clock import Clock
from compute_core.model.flavors import DEFAULT_FLAVORS
from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif
from compute_core.wiring import new_ids
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.place import learn
from compute_core.xenapi.session import Account, Login, Session
from compute_core.xenapi.spawn import spawn
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from scenarios import image
from scenarios.bench.row import Row

NOW = "2012-08-01T00:00:00Z"


def measure() -> Iterator[Row]:
    """Two servers of one image: the first fetches it, the second finds it there."""
    with tempfile.TemporaryDirectory(prefix="inova-bench-") as folder:
        file = Path(folder, "image.vhd")
        image.make(file)
        fetched, cached = asyncio.run(_counts(Path(folder, "images"), file.read_bytes()))
    yield Row("XenAPI calls to spawn a server from a cached image, one VIF", cached, "calls", 15, "Nova's driver 74")
    yield Row("the same with the image still to be fetched", fetched, "calls", 18, "Nova's driver 92")


async def _counts(folder: Path, content: bytes) -> tuple[int, int]:
    chance = Random(0)
    store = EmbeddedImageStore(
        folder, Clock.starting(datetime(2012, 8, 1, tzinfo=UTC)), new_ids(chance), limit_bytes=1 << 30, is_synced=False
    )
    stored = await _stored(store, content)
    fleet = Fleet(Order(personality="clearwater", port=0))
    async with served(fleet):
        url = fleet.inventory()[0]["url"]
        asked: list[str] = []
        session = Session(Login(Account(url, "root", "xenroot"), HttpTransport)).noted(asked.append)
        place = await learn(session, url)
        cache, counts = ImageCache(place, store), []
        for number in range(2):
            asked.clear()
            await spawn(session, place, cache, _instance(number, stored), stored)
            counts.append(len(asked))
        await session.close()
    return counts[0], counts[1]


async def _stored(store: EmbeddedImageStore, content: bytes) -> Image:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    made = await store.create("bench", "p", disk_format="vhd", container_format="bare")
    return await store.upload(made.id, pieces())


def _instance(number: int, stored: Image) -> Instance:
    nic = Vif(f"port-{number}", f"fa:16:3e:00:00:{number:02x}", "net", "private", "xenbr0", f"10.0.0.{number + 2}", 24, "10.0.0.1")
    return Instance(
        uuid=f"00000000-0000-4000-8000-00000000000{number}", name=f"bench-{number}", project_id="p", user_id="u", flavor=DEFAULT_FLAVORS[0],
        image_ref=stored.id, created_at=NOW, updated_at=NOW, vifs=(nic,),
    )  # fmt: skip
