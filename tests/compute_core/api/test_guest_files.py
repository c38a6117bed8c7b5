"""Files that are sent with a new server, for its guest."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from compute_core.model.instances import File
from compute_core.model.requests import RequestContext, ServerFilters
from tests.compute_core.api.harness import Api, run


def test_files_for_the_guest_are_kept_for_it(tmp_path: Path) -> None:
    async def test(api: Api) -> None:
        files = [{"path": "/etc/motd", "contents": "aGVsbG8="}]
        server = await api.active(personality=files, version=56, networks="auto")
        (found,) = await api.cloud.api_cell.list_servers(RequestContext("", "", ("admin",)), ServerFilters(uuid=server))
        assert found.personality == (File("/etc/motd", "aGVsbG8="),)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([{"path": f"/{number}", "contents": ""} for number in range(6)], "Quota exceeded, too many files: 6, 5 are allowed."),
        ([{"path": "/" + "x" * 255, "contents": ""}], "Quota exceeded, a path is longer than 255 bytes."),
        ([{"path": "/large", "contents": base64.b64encode(bytes(10241)).decode()}], "Quota exceeded, /large has more than 10240 bytes."),
    ],
)
def test_files_beyond_the_limits_are_refused(tmp_path: Path, files: list[dict[str, str]], message: str) -> None:
    async def test(api: Api) -> None:
        asked = {"name": "web", "flavorRef": "1", "imageRef": await api.image(), "personality": files, "networks": "auto"}
        reply = await api.send("POST", "/v2.1/servers", {"server": asked}, version=56)
        assert (reply.status, reply.json["forbidden"]["message"]) == (403, message)

    run(tmp_path, test)
