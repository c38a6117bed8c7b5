"""What may be done with volumes and snapshots while one is copied onto another, and after that has failed; hosts answer as told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compute_core.model.clock import Clock
from compute_core.model.errors import Conflict
from compute_core.model.volumes import Connection, Target
from compute_core.volumes.copies import COPYING
from compute_core.volumes.embedded import EmbeddedVolumes
from compute_core.volumes.luns import GIB, Lun
from compute_core.volumes.port import Connector
from compute_core.volumes.records import Record, RecordFiles
from fake_xapi.engine.virtual_time import run_virtual

HOST = Connector("xs1", "192.0.2.1", "iqn.host")
LUNS = tuple(Lun(f"lun-{number}", 10 * GIB, Connection(Target("192.0.2.8", f"iqn.{number}", 0))) for number in range(4))
MINUTE_S = 60.0


class Answers:
    """What hosts say of every copy."""

    now = COPYING

    async def ask(self, source: str, target: str) -> str:
        return self.now


def over(folder: Path, body: Callable[[EmbeddedVolumes, Answers], Awaitable[None]], files: type[RecordFiles] = RecordFiles) -> None:
    async def main() -> None:
        numbers, answers = itertools.count(1), Answers()
        clock = Clock.starting(datetime(2012, 8, 1, tzinfo=UTC))
        volumes = EmbeddedVolumes(files(folder, is_synced=False), LUNS, clock, lambda: f"id-{next(numbers)}")
        copies = volumes.copy_by(answers.ask)
        await body(volumes, answers)
        await copies.close()

    run_virtual(main(), limit_s=10_000)


async def filled(volumes: EmbeddedVolumes, answers: Answers) -> tuple[str, str]:
    """A snapshot, and a volume that is being filled from it."""
    source = await volumes.create("p", "u", 5)
    snapshot = await volumes.snapshot(source.id, "u", forces=False)
    await ended(answers, "")
    answers.now = COPYING
    return snapshot.id, (await volumes.create("p", "u", 5, snapshot_id=snapshot.id)).id


async def ended(answers: Answers, how: str) -> None:
    answers.now = how
    await asyncio.sleep(MINUTE_S)


def test_neither_end_of_a_copy_is_deleted_while_it_goes_on(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes, answers: Answers) -> None:
        snapshot, made = await filled(volumes, answers)
        with pytest.raises(Conflict, match=f"Volume status must be available or error, but volume {made} is creating"):
            await volumes.delete(made)
        with pytest.raises(Conflict, match=f"Volume Snapshot status must be available or error: snapshot {snapshot} is being copied"):
            await volumes.delete_snapshot(snapshot)
        await ended(answers, "")
        await volumes.delete(made)
        answers.now = COPYING
        (source,) = await volumes.list()
        new = await volumes.snapshot(source.id, "u", forces=False)
        with pytest.raises(Conflict, match=f"snapshot {new.id} is being copied"):
            await volumes.delete_snapshot(new.id)
        await ended(answers, "it broke")
        for each in (new.id, snapshot):
            await volumes.delete_snapshot(each)
        assert await volumes.list_snapshots() == ()

    over(tmp_path, body)


@pytest.mark.parametrize(("answer", "status"), [(COPYING, "creating"), ("it broke", "error"), ("", "available")])
def test_a_volume_that_is_given_back_is_what_its_copy_has_come_to(tmp_path: Path, answer: str, status: str) -> None:
    async def body(volumes: EmbeddedVolumes, answers: Answers) -> None:
        _, made = await filled(volumes, answers)
        await volumes.reserve(made, "server-1")
        assert (await volumes.get(made)).status == "creating"
        with pytest.raises(Conflict, match="status must be available, but it is creating"):
            await volumes.reserve(made, "server-2")
        await ended(answers, answer)
        await volumes.release("server-1")
        assert (await volumes.get(made)).status == status

    over(tmp_path, body)


def test_a_volume_that_is_to_go_with_its_server_is_filled_first(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes, answers: Answers) -> None:
        _, made = await filled(volumes, answers)
        await volumes.reserve(made, "server-1")
        answers.now = ""
        await volumes.release("server-1", [made])
        assert made not in {volume.id for volume in await volumes.list()}

    over(tmp_path, body)


def test_nobody_gets_a_volume_from_which_is_copied(tmp_path: Path) -> None:
    async def body(volumes: EmbeddedVolumes, answers: Answers) -> None:
        source = await volumes.create("p", "u", 5)
        attachment = await volumes.reserve(source.id, "server-1")
        await volumes.connect(attachment.id, HOST, "/dev/xvdb")
        await volumes.complete(attachment.id)
        await volumes.snapshot(source.id, "u", forces=True)
        assert [volume.status for volume in await volumes.list()] == ["backing-up"]
        with pytest.raises(Conflict, match="it is backing-up"):
            await volumes.reserve(source.id, "server-1")
        with pytest.raises(Conflict, match="current status is: backing-up"):
            await volumes.snapshot(source.id, "u", forces=True)
        await volumes.park(source.id, "server-1")
        with pytest.raises(Conflict, match=f"Volume {source.id} is being copied"):
            await volumes.arrive(source.id, "server-1", HOST, "/dev/xvdb")
        await ended(answers, "")
        await volumes.arrive(source.id, "server-1", HOST, "/dev/xvdb")
        assert (await volumes.get(source.id)).status == "attaching"

    over(tmp_path, body)


class FullDisk(RecordFiles):
    """Takes what begins, and not how it has ended."""

    def write(self, record: Record) -> None:
        if record.volume.name == "copy" and not record.copied_from:
            raise OSError("no space left on device")
        super().write(record)


def test_a_volume_is_not_connected_when_how_its_copy_has_ended_could_not_be_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    async def body(volumes: EmbeddedVolumes, answers: Answers) -> None:
        snapshot, _ = await filled(volumes, answers)
        made = await volumes.create("p", "u", 5, snapshot_id=snapshot, name="copy")
        attachment = await volumes.reserve(made.id, "server-1")
        answers.now = ""
        with pytest.raises(Conflict, match=f"Volume {made.id} is not filled yet"):
            await volumes.connect(attachment.id, HOST, "/dev/xvdb")
        assert (await volumes.get(made.id)).status == "creating"
        assert f"how the copy onto {made.id} has ended is not known" in caplog.text

    over(tmp_path, body, FullDisk)
