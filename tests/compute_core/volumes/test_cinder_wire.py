"""The wire to Cinder over real sockets, with a token of a Keystone: both are here the core's own endpoints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compute_core.model.errors import Conflict, HostUnreachable, NotFound
from compute_core.settings import Account, BadSettings, Settings
from compute_core.volumes.cinder import CinderVolumes
from compute_core.volumes.cinder_wire import BadService, CinderAccount, CinderWire, read_account
from compute_core.wiring import CloudApplication

EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
ADMIN = Account("admin", "admin", ("admin",), "admin-secret")
LUN = {"targets": [{"iqn": "iqn.one", "portals": ["192.0.2.8"], "luns": [{"scsi_id": "lun-0", "size": 10 << 30}]}]}
MISSING = "00000000-0000-4000-8000-000000000000"


def served(folder: Path, body: Callable[[CloudApplication, str], Awaitable[None]]) -> None:
    """Run a test's body over the core's endpoints on a socket."""
    array = folder / "array.json"
    array.write_text(json.dumps(LUN))

    async def main() -> None:
        settings = Settings(state=folder / "state", accounts=(ADMIN,), volume_targets=array, is_synced=False)
        async with CloudApplication(settings, epoch=EPOCH) as cloud:
            await body(cloud, cloud.serve().url)

    asyncio.run(main())


def account(url: str, password: str = "admin-secret") -> CinderAccount:
    return CinderAccount(auth_url=f"{url}/identity/v3", username="admin", password=password, project_name="admin")


def test_keystone_tells_where_cinder_is_and_cinder_answers_in_its_words(tmp_path: Path) -> None:
    async def body(cloud: CloudApplication, url: str) -> None:
        made = await cloud.volumes.create("p", "u", 5, name="data")
        volumes = CinderVolumes(CinderWire(account(url)))
        assert [volume.name for volume in await volumes.list()] == ["data"]
        with pytest.raises(NotFound, match=f"Volume {MISSING} could not be found."):
            await volumes.get(MISSING)
        with pytest.raises(Conflict, match="status must be in-use, but it is available"):
            await volumes.begin_detaching(made.id)
        await volumes.delete(made.id)
        assert await cloud.volumes.list() == ()

    served(tmp_path, body)


def test_who_is_not_let_in_or_reaches_nobody_has_no_cinder(tmp_path: Path) -> None:
    async def body(_: CloudApplication, url: str) -> None:
        for known in (account(url, "guessed"), CinderAccount(endpoint="http://127.0.0.1:9/v3", token="t")):
            with pytest.raises(HostUnreachable, match="Cinder does not answer GET /volumes/detail"):
                await CinderVolumes(CinderWire(known)).list()

    served(tmp_path, body)


def test_an_answer_that_nobody_could_expect_is_no_answer(tmp_path: Path) -> None:
    async def body(_: CloudApplication, url: str) -> None:
        wire = CinderWire(CinderAccount(endpoint=f"{url}/volume/v3", token="nobody's"))
        with pytest.raises(HostUnreachable):
            await wire.call("GET", "/volumes")

    served(tmp_path, body)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting property name"),
        ("[]", "Cure: write an object with auth_url, username and password."),
        ('{"colour": "red"}', "unexpected keyword argument 'colour'"),
        ('{"username": "u"}', "neither auth_url nor endpoint and token"),
        ('{"endpoint": "http://x"}', "neither auth_url nor endpoint and token"),
    ],
)
def test_a_file_that_says_too_little_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "cinder.json"
    file.write_text(text)
    with pytest.raises(BadService, match=words):
        read_account(file)
    with pytest.raises(BadSettings, match=words):
        asyncio.run(CloudApplication(Settings(state=tmp_path / "state", cinder=file), epoch=EPOCH).__aenter__())


def test_a_file_names_cinder_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "cinder.json"
    file.write_text('{"auth_url": "http://keystone/v3", "username": "nova", "password": "secret", "region_name": "north"}')
    known = read_account(file)
    assert (known.auth_url, known.username, known.password, known.region_name) == ("http://keystone/v3", "nova", "secret", "north")
    assert "secret" not in repr(known)
