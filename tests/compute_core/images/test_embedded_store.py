"""The embedded image store: whole or not at all, through crashes too."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compute_core.images.embedded import EmbeddedImageStore
from compute_core.images.port import ImageFilters
from compute_core.model.clock import Clock
from compute_core.model.errors import BadImage, Conflict, Forbidden, Invalid, NotFound
from compute_core.model.images import Image
from tests.compute_core.images import vhds

EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
FIRST = "00000000-0000-4000-8000-000000000001"


def store(folder: Path, limit_bytes: int = 1 << 30) -> EmbeddedImageStore:
    numbers = itertools.count(1)
    return EmbeddedImageStore(
        folder, Clock.starting(EPOCH), lambda: f"00000000-0000-4000-8000-{next(numbers):012x}", limit_bytes=limit_bytes
    )


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def run(tmp_path: Path, test: Callable[[EmbeddedImageStore], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(store(tmp_path))

    asyncio.run(main())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def read(images: EmbeddedImageStore, image_id: str) -> bytes:
    return b"".join([chunk async for chunk in images.download(image_id)])


def test_an_upload_computes_sizes_and_hashes(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        await images.create("debian", "p1", disk_format="vhd", container_format="bare", properties={"os_type": "linux"})
        content = vhds.dynamic({0: b"boot"})
        image = await images.upload(FIRST, stream(content[:1000], content[1000:]))
        assert image == Image(
            id=FIRST,
            name="debian",
            status="active",
            owner="p1",
            created_at="2012-08-01T00:00:00Z",
            updated_at="2012-08-01T00:00:00Z",
            disk_format="vhd",
            container_format="bare",
            size_bytes=len(content),
            virtual_size_bytes=4 * vhds.BLOCK,
            checksum_md5=hashlib.md5(content).hexdigest(),
            hash_sha512=hashlib.sha512(content).hexdigest(),
            properties={"os_type": "linux"},
        )
        assert await read(images, FIRST) == content
        path = images.path(FIRST)
        assert path is not None
        assert path.read_bytes() == content

    run(tmp_path, test)


def test_a_store_opened_again_has_the_same_images(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        await images.create("a", "p1", disk_format="raw", container_format="bare", tags=("x", "y"))
        await images.upload(FIRST, stream(b"abc"))
        await images.create("b", "p1")
        again = store(tmp_path)
        assert await again.list() == await images.list()
        assert await read(again, FIRST) == b"abc"

    run(tmp_path, test)


def test_what_is_no_vhd_is_refused_and_leaves_the_image_queued(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        queued = await images.create("a", "p1", disk_format="vhd", container_format="bare")
        with pytest.raises(BadImage, match="Not a VHD"):
            await images.upload(FIRST, stream(b"#!/bin/sh\n"))
        assert await images.get(FIRST) == queued
        assert names_in(tmp_path) == [f"{FIRST}.json"]
        await images.upload(FIRST, stream(vhds.fixed(b"z" * 512)))
        assert (await images.get(FIRST)).status == "active"

    run(tmp_path, test)


def test_an_upload_that_breaks_off_keeps_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    async def test(images: EmbeddedImageStore) -> None:
        await images.create("a", "p1", disk_format="raw", container_format="bare")
        with pytest.raises(ConnectionResetError):
            await images.upload(FIRST, broken())
        assert (await images.get(FIRST)).status == "queued"
        assert names_in(tmp_path) == [f"{FIRST}.json"]

    run(tmp_path, test)


def test_a_crash_amid_an_upload_leaves_the_image_queued(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        await images.create("a", "p1", disk_format="raw", container_format="bare")
        (tmp_path / f"{FIRST}.part").write_bytes(b"half")  # as a killed process leaves it
        (tmp_path / f"{FIRST}.image").write_bytes(b"whole, but not yet said to be")
        again = store(tmp_path)
        assert (await again.get(FIRST)).status == "queued"
        assert names_in(tmp_path) == [f"{FIRST}.json"]

    run(tmp_path, test)


def test_two_uploads_of_one_image_cannot_mix(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"first"
            await gate.wait()

        await images.create("a", "p1", disk_format="raw", container_format="bare")
        first = asyncio.create_task(images.upload(FIRST, slow()))
        await asyncio.sleep(0)
        with pytest.raises(Conflict, match="from saving to saving"):
            await images.upload(FIRST, stream(b"second"))
        gate.set()
        assert (await first).size_bytes == 5
        assert await read(images, FIRST) == b"first"

    run(tmp_path, test)


def test_an_image_deleted_amid_its_upload_is_gone(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        async def deleting() -> AsyncIterator[bytes]:
            yield b"x"
            await images.delete(FIRST)

        await images.create("a", "p1", disk_format="raw", container_format="bare")
        with pytest.raises(NotFound):
            await images.upload(FIRST, deleting())
        assert names_in(tmp_path) == []

    run(tmp_path, test)


def test_a_change_made_amid_an_upload_survives_it(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        async def renaming() -> AsyncIterator[bytes]:
            yield b"x"
            await images.update(FIRST, name="renamed")

        await images.create("a", "p1", disk_format="raw", container_format="bare")
        image = await images.upload(FIRST, renaming())
        assert (image.name, image.status) == ("renamed", "active")

    run(tmp_path, test)


def test_an_image_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        images = store(tmp_path, limit_bytes=10)
        await images.create("a", "p1", disk_format="raw", container_format="bare")
        with pytest.raises(BadImage, match="larger than this store takes"):
            await images.upload(FIRST, stream(b"123456", b"123456"))

    asyncio.run(main())


def test_a_protected_image_cannot_be_deleted(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        await images.create("a", "p1", is_protected=True)
        with pytest.raises(Forbidden):
            await images.delete(FIRST)
        await images.update(FIRST, is_protected=False)
        await images.delete(FIRST)
        with pytest.raises(NotFound):
            await images.get(FIRST)

    run(tmp_path, test)


def test_an_id_that_is_no_uuid_cannot_leave_the_folder(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        with pytest.raises(Invalid):
            await images.create("a", "p1", image_id="../../etc/passwd")

    run(tmp_path, test)


def test_a_listing_shows_what_the_project_may_see(tmp_path: Path) -> None:
    async def test(images: EmbeddedImageStore) -> None:
        await images.create("own", "p1")
        await images.create("public", "p2", visibility="public")
        await images.create("foreign", "p2")
        await images.create("community", "p2", visibility="community")
        await images.create("hidden", "p1", is_hidden=True)

        async def names(filters: ImageFilters) -> list[str]:
            return sorted(image.name for image in await images.list(filters))

        assert await names(ImageFilters(project_id="p1")) == ["own", "public"]
        assert await names(ImageFilters(project_id="p1", visibility="community")) == ["community"]
        assert await names(ImageFilters(project_id="p1", is_hidden=True)) == ["hidden"]
        assert await names(ImageFilters(names=("own", "foreign"))) == ["foreign", "own"]
        assert await names(ImageFilters(project_id="p1", created_at=(("gt", "2012-08-01T00:00:00Z"),))) == []

    run(tmp_path, test)
