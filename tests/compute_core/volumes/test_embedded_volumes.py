"""The embedded volume service: LUNs that are given out, taken by servers, and given back."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.clock import Clock
from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.volumes import Attachment, Connection, Target, Volume
from compute_core.volumes.embedded import EmbeddedVolumes, NoRoom
from compute_core.volumes.luns import GIB, BadInventory, Lun, read_luns
from compute_core.volumes.port import Connector
from compute_core.volumes.records import RecordFiles

HOST = Connector("xs1", "192.0.2.1", "iqn.host")
SMALL = Lun("lun-a", 10 * GIB, Connection(Target("192.0.2.8", "iqn.one", 0)))
LARGE = Lun("lun-b", 100 * GIB, Connection(Target("192.0.2.8", "iqn.two", 0, asks_login=True), "chap", "secret"))
EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
DATE = "2012-08-01T00:00:00Z"


async def service(folder: Path) -> EmbeddedVolumes:
    numbers = itertools.count(1)
    return EmbeddedVolumes(RecordFiles(folder, is_synced=False), (LARGE, SMALL), Clock.starting(EPOCH), lambda: f"id-{next(numbers)}")


def over(folder: Path, body: Callable[[EmbeddedVolumes], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(await service(folder))

    asyncio.run(main())


async def attached(volumes: EmbeddedVolumes, volume: str, server: str = "server-1") -> str:
    """The attachment of a volume that is a server's."""
    attachment = await volumes.reserve(volume, server)
    await volumes.connect(attachment.id, HOST, "/dev/xvdb")
    await volumes.complete(attachment.id)
    return attachment.id


def test_a_volume_is_the_smallest_lun_that_is_large_enough(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        first = await volumes.create("p", "u", 5, name="data")
        assert first == Volume("id-1", "p", "u", 5, DATE, DATE, name="data")
        second = await volumes.create("p", "u", 5)
        places = [(await volumes.connect((await volumes.reserve(each.id, "s")).id, HOST, "")).target.iqn for each in (first, second)]
        assert places == ["iqn.one", "iqn.two"]
        with pytest.raises(NoRoom, match="no free LUN of 1 GiB"):
            await volumes.create("p", "u", 1)

    over(tmp_path, body)


def test_what_a_project_has_written_is_shown_to_no_other(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        mine = await volumes.create("p", "u", 50)
        await volumes.delete(mine.id)
        with pytest.raises(NoRoom):
            await volumes.create("other", "u", 50)
        assert (await volumes.create("p", "u", 50)).id == "id-2"
        assert [volume.id for volume in await volumes.list("p")] == ["id-2"]
        assert await volumes.list("other") == ()

    over(tmp_path, body)


def test_a_volume_goes_through_its_states(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        volume = (await volumes.create("p", "u", 5)).id

        async def status() -> str:
            return (await volumes.get(volume)).status

        seen = [await status()]
        attachment = await volumes.reserve(volume, "server-1")
        seen.append(await status())
        assert await volumes.connect(attachment.id, HOST, "/dev/xvdb") == SMALL.connection
        seen.append(await status())
        await volumes.complete(attachment.id)
        seen.append(await status())
        expected = Attachment("id-2", volume, "server-1", "attached", "/dev/xvdb", "xs1")
        assert (await volumes.get(volume)).attachments == (expected,)
        await volumes.begin_detaching(volume)
        seen.append(await status())
        await volumes.roll_detaching(volume)
        seen.append(await status())
        for _ in range(2):
            await volumes.disconnect(attachment.id)
            seen.append(await status())
        assert seen == ["available", "reserved", "attaching", "in-use", "detaching", "in-use", "available", "available"]

    over(tmp_path, body)


def test_only_one_server_has_a_volume_unless_it_may_be_shared(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        own = (await volumes.create("p", "u", 5)).id
        await attached(volumes, own)
        with pytest.raises(Conflict, match="status must be available, but it is in-use"):
            await volumes.reserve(own, "server-2")
        shared = (await volumes.create("p", "u", 5, is_multiattach=True)).id
        first, second = [await attached(volumes, shared, server) for server in ("server-1", "server-2")]
        assert (await volumes.connect(first, HOST, "")).is_shared
        await volumes.begin_detaching(shared)
        assert (await volumes.get(shared)).status == "in-use"
        await volumes.disconnect(first)
        assert [each.id for each in (await volumes.get(shared)).attachments] == [second]

    over(tmp_path, body)


def test_a_volume_of_a_server_is_neither_deleted_nor_detached_twice(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        volume = (await volumes.create("p", "u", 5)).id
        with pytest.raises(Conflict, match="status must be in-use, but it is available"):
            await volumes.begin_detaching(volume)
        await attached(volumes, volume)
        with pytest.raises(Conflict, match="cannot be deleted while it is a server's"):
            await volumes.delete(volume)

    over(tmp_path, body)


def test_a_server_that_goes_releases_its_volumes_and_takes_along_those_that_it_is_to(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        kept, gone = [(await volumes.create("p", "u", 5)).id for _ in range(2)]
        for volume in (kept, gone):
            await attached(volumes, volume)
        for _ in range(2):
            await volumes.release("server-1", [gone])
            assert [(volume.id, volume.status) for volume in await volumes.list()] == [(kept, "available")]
        with pytest.raises(NotFound, match=f"Volume {gone} could not be found."):
            await volumes.get(gone)

    over(tmp_path, body)


def test_a_volume_grows_as_far_as_its_lun(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        volume = (await volumes.create("p", "u", 5)).id
        assert (await volumes.extend(volume, 10)).size_gb == 10
        with pytest.raises(Invalid, match=r"\(current: 10, extended: 10\)"):
            await volumes.extend(volume, 10)
        with pytest.raises(NoRoom, match="has 10 GiB"):
            await volumes.extend(volume, 11)

    over(tmp_path, body)


def test_everything_is_there_after_a_restart_and_what_was_half_written_is_not(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes) -> None:
        volume = (await volumes.create("p", "u", 5, name="data", metadata={"a": "b"})).id
        await attached(volumes, volume)
        (tmp_path / "lun-b.part").write_text("{")
        again = await service(tmp_path)
        assert await again.list() == await volumes.list()
        assert not (tmp_path / "lun-b.part").exists()

    over(tmp_path, body)


def test_a_volume_whose_lun_is_listed_no_more_is_not_connected(tmp_path: Path) -> None:
    async def main() -> None:
        volumes = await service(tmp_path)
        attachment = await volumes.reserve((await volumes.create("p", "u", 5)).id, "server-1")
        without = EmbeddedVolumes(RecordFiles(tmp_path, is_synced=False), (), Clock.starting(EPOCH), str)
        with pytest.raises(Conflict, match="no LUN of volume id-1 any more"):
            await without.connect(attachment.id, HOST, "")

    asyncio.run(main())


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_the_luns_are_read_from_the_file_that_the_simulator_takes(tmp_path: Path) -> None:
    plain = {"iqn": "iqn.one", "portals": ["192.0.2.8", "192.0.2.9"], "luns": [{"scsi_id": "lun-a", "size": 10 * GIB}]}
    chap = {
        "iqn": "iqn.two",
        "portals": ["192.0.2.8"],
        "user": "chap",
        "password": "secret",
        "luns": [{"scsi_id": "lun-b", "size": 100 * GIB}],
    }
    file = write(tmp_path / "array.json", {"targets": [chap, plain], "nfs": [], "local_disks": {"/dev/sdb": 5}})
    assert read_luns(file) == (SMALL, LARGE)
    assert "secret" not in repr(read_luns(file))


def test_a_file_that_lists_no_luns_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(BadInventory, match=r"array.json: .*`\$.targets`.*Cure"):
        read_luns(write(tmp_path / "array.json", {"targets": 5}))
    with pytest.raises(BadInventory, match=r"nowhere.json: .*Cure"):
        read_luns(tmp_path / "nowhere.json")
