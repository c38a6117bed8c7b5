"""Backups as the REST API takes them: what must be said, what is answered in which version, and what the images say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compute_core.api.harness import Api, run

OURS = {"name": "point", "rotation": 3, "metadata": {"a": "b"}}
NOVAS = {"name": "monday", "backup_type": "daily", "rotation": 2}
TOLD = {
    "createBackup": (NOVAS, {"image_type": "backup", "backup_type": "daily", "backup_rotation": "2"}),
    "createIncrementalBackup": (OURS, {"image_type": "increment", "backup_rotation": "3", "backup_parent": "", "a": "b"}),
}


@pytest.mark.parametrize("action", TOLD)
def test_an_image_is_queued_and_told_of_as_the_version_has_it(tmp_path: Path, action: str) -> None:
    asked, expected = TOLD[action]

    async def test(api: Api) -> None:
        server = await api.active()
        path = f"/v2.1/servers/{server}/action"
        old = await api.send("POST", path, {action: asked})
        assert (old.status, old.content) == (202, b"")
        await api.settle()
        new = await api.send("POST", path, {action: asked}, version=45)
        for image_id in (old.headers["location"].rpartition("/")[2], new.json["image_id"]):
            shown = await api.get(f"/image/v2/images/{image_id}")
            assert shown.items() >= {"name": asked["name"], "container_format": "ovf", "instance_uuid": server, **expected}.items()

    run(tmp_path, test)


def test_of_a_series_of_which_none_is_left_no_image_is_told(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        reply = await api.send("POST", f"/v2.1/servers/{server}/action", {"createBackup": {**NOVAS, "rotation": "0"}})
        assert (reply.status, reply.content, "location" in reply.headers) == (202, b"", False)

    run(tmp_path, test)


@pytest.mark.parametrize(
    "asked",
    [
        *({"createBackup": {key: value for key, value in NOVAS.items() if key != left_out}} for left_out in NOVAS),
        {"createBackup": {**NOVAS, "rotation": -1}},
        {"createBackup": {**NOVAS, "rotation": "many"}},
        {"createBackup": {**NOVAS, "backup_type": 7}},
        {"createBackup": {**NOVAS, "more": 1}},
        {"createBackup": None},
        {"createIncrementalBackup": {}},
        {"createIncrementalBackup": {"name": "x", "rotation": -1}},
        {"createIncrementalBackup": {"name": "x", "full": "perhaps"}},
    ],
)
def test_what_is_not_said_as_it_must_be_is_refused(tmp_path: Path, asked: dict[str, Any]) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        reply = await api.send("POST", f"/v2.1/servers/{server}/action", asked)
        assert (reply.status, list(reply.json)) == (400, ["badRequest"])

    run(tmp_path, test)


@pytest.mark.parametrize("action", TOLD)
def test_a_server_that_is_busy_is_not_backed_up_and_no_image_is_left(tmp_path: Path, action: str) -> None:
    async def test(api: Api) -> None:
        server = await api.active()
        path = f"/v2.1/servers/{server}/action"
        await api.send("POST", path, {"rescue": None})
        reply = await api.send("POST", path, {action: TOLD[action][0]})
        assert (reply.status, list(reply.json)) == (409, ["conflictingRequest"])
        images = (await api.get("/image/v2/images"))["images"]
        assert [image["name"] for image in images if image.get("instance_uuid") == server] == []

    run(tmp_path, test)
