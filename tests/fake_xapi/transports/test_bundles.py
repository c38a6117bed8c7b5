"""Repositories in over HTTP, and what hosts could get out again; a repository on this machine is reached over HTTP too."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from fake_xapi.datamodel.failure import Failure
from tests.fake_xapi.transports.images import exchange, served
from tests.fake_xapi.transports.serving import run
from tests.fake_xapi.verbs.kit.repodata import bundle, files, hash_of, update

ONE = update("U-1", mandatory="RebootHost", full="RestartVM")


async def sent(xen: Any, client: Any, content: bytes) -> dict[str, Any]:
    """The client's task after an upload."""
    task = await xen.call("task.create", "upload", "")
    query = urlencode({"session_id": xen.session, "task_id": task})
    await exchange(client, f"PUT /bundle?{query} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
    return dict(xen.task_record(task))


async def enabled(xen: Any, name: str = "introduce_bundle", *params: Any) -> str:
    """An enabled repository."""
    one = str(await xen.call(f"Repository.{name}", "a", "", *params))
    (pool,) = await xen.call("pool.get_all")
    await xen.call("pool.set_repositories", pool, [one])
    return one


def test_a_bundle_is_synchronised_as_it_comes() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            one = await enabled(xen)
            assert (await sent(xen, client, bundle(files(ONE))))["status"] == "success"
            assert await xen.call("Repository.get_hash", one) == hash_of(ONE)
            reply = await exchange(client, f"GET /updates?{urlencode({'session_id': xen.session})} HTTP/1.1\r\n\r\n".encode())
            (host,) = await xen.call("host.get_all")
            guidance = {"full": ["restart_vm"], "livepatch": [], "mandatory": ["reboot_host"], "recommended": []}
            assert orjson.loads(reply.body) == {
                "hosts": [{"ref": host, "guidance": guidance, "RPMS": ["xapi-1-U-1.x86_64"], "updates": ["U-1"], "livepatches": []}],
                "updates": [
                    {
                        "id": "U-1",
                        "summary": "a fix",
                        "description": "of much",
                        "special-info": "",
                        "URL": "https://example.com/U-1",
                        "title": "U-1",
                        "type": "security",
                        "issued": "2026-01-02T00:00:00Z",
                        "severity": "High",
                        "guidance": guidance,
                    }
                ],
                "hash": hash_of(ONE),
            }

    run(body())


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"no tar file", ("BUNDLE_UNPACK_FAILED", "truncated header")),
        (bundle({}), ("INVALID_REPOMD_XML",)),
        (bundle(files(ONE, ONE)), ("INVALID_UPDATEINFO_XML",)),
    ],
)
def test_bundles_that_are_none(content: bytes, refusal: tuple[str, ...]) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            await enabled(xen)
            assert (await sent(xen, client, content))["error_info"] == refusal

    run(body())


def test_a_bundle_needs_its_repository() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            assert (await sent(xen, client, bundle(files(ONE))))["error_info"] == ("BUNDLE_REPO_NOT_ENABLED",)
            (pool,) = await xen.call("pool.get_all")
            one = await enabled(xen)
            other = await xen.call("Repository.introduce", "b", "", "https://a/a", "https://a/s", True)
            await xen.call("pool.set_repositories", pool, [one, other])
            assert (await sent(xen, client, bundle(files(ONE))))["error_info"] == ("BUNDLE_SYNC_FAILED",)

    run(body())


@pytest.mark.parametrize(("path", "outcome"), [("", "synced"), ("/missing", ["REPOSYNC_FAILED"]), ("/silent", ["REPOSYNC_FAILED"])])
def test_a_repository_on_this_machine_is_fetched_over_http(path: str, outcome: Any) -> None:
    content = {f"/{name}": data for name, data in files(ONE).items()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if not asked.startswith("/silent"):
            data = content.get(asked)
            writer.write(b"HTTP/1.0 404 Not Found\r\n\r\n" if data is None else b"HTTP/1.0 200 OK\r\n\r\n" + data)
        writer.close()

    async def body() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with served() as (xen, _client):
            await enabled(xen, "introduce", f"http://127.0.0.1:{port}{path}", "https://a", True)
            (pool,) = await xen.call("pool.get_all")
            try:
                told = await xen.call("pool.sync_updates", pool, False)
            except Failure as failure:
                told = failure.details
            assert told == (hash_of(ONE) if outcome == "synced" else outcome)
        server.close()

    run(body())
