"""Archives over HTTP: heads, statuses and tasks as XAPI's handlers have them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest

from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.xapi import Xapi
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from tests.fake_xapi.engine.kit import Kit
from tests.fake_xapi.transports.archives import files, server
from tests.fake_xapi.transports.serving import Client, Reply, run, serving
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, furnish


@asynccontextmanager
async def served_host() -> AsyncIterator[tuple[Host, Callable[..., Awaitable[Client]]]]:
    """A host with storage on a real socket."""
    world = World(Value.empty(), "7", personality())
    with world.edit() as edit:
        edit.create("pool")
        me = edit.create("host", name_label="h", hostname="h", enabled=True)
    kit = Kit(Xapi(world, me, DiskStore()))
    kit.session = await kit.raw("session.login_with_password", "root", "xenroot")
    async with serving(kit.xapi) as connect:
        yield furnish(kit), connect
    await kit.xapi.close()


def head(method: str, path: str, parameters: dict[str, str], *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path}?{urlencode(parameters)} HTTP/1.1", "Host: x", *lines, "", "")).encode()


async def answered(client: Client) -> Reply:
    """A reply whose body may end with its connection."""
    reply = await client.reply(has_body=False)
    length = int(reply.headers.get("content-length", -1))
    body = await (client.reader.readexactly(length) if length >= 0 else client.reader.read())
    return Reply(reply.status, reply.headers, body)


def test_an_export_is_a_file_without_length_whose_task_is_named() -> None:
    async def body() -> None:
        async with served_host() as (host, connect):
            vm, _ = await server(host)
            client = await connect()
            await client.send(head("GET", "/export", {"session_id": host.kit.session, "ref": vm}))
            reply = await answered(client)
            assert reply.status == 200
            shown = {name: reply.headers.get(name) for name in ("content-type", "content-disposition", "content-length", "connection")}
            assert shown == {
                "content-type": "application/octet-stream",
                "content-disposition": 'attachment; filename="export.xva"',
                "content-length": None,
                "connection": "close",
            }
            assert host.row(reply.headers["task-id"])["status"] == "success"
            assert next(iter(files(reply.body))) == "ova.xml"

    run(body())


def test_metadata_says_how_long_it_is() -> None:
    async def body() -> None:
        async with served_host() as (host, connect):
            vm, _ = await server(host)
            client = await connect()
            password = base64.b64encode(b"root:xenroot").decode()
            await client.send(head("GET", "/export_metadata", {"ref": vm}, f"Authorization: Basic {password}"))
            reply = await answered(client)
            assert (reply.status, reply.headers["content-length"]) == (200, str(len(reply.body)))
            assert list(files(reply.body)) == ["ova.xml"]

    run(body())


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status"),
    [
        ("GET", "/export", {"session_id": "x", "ref": "OpaqueRef:NULL"}, 401),
        ("GET", "/export", {"ref": "OpaqueRef:NULL"}, 401),
        ("GET", "/export", {"session_id": "<session>", "ref": "OpaqueRef:NULL"}, 404),
        ("GET", "/export", {"session_id": "<session>"}, 400),
        ("GET", "/export_metadata", {"session_id": "<session>", "uuid": "none"}, 404),
        ("PUT", "/import", {"session_id": "<session>", "sr_id": "OpaqueRef:NULL"}, 404),
    ],
)
def test_statuses_are_those_of_the_reason(method: str, path: str, parameters: dict[str, str], status: int) -> None:
    async def body() -> None:
        async with served_host() as (host, connect):
            given = {name: text.replace("<session>", host.kit.session) for name, text in parameters.items()}
            client = await connect()
            await client.send(head(method, path, given, "Content-Length: 0"))
            assert (await answered(client)).status == status

    run(body())


def test_bodies_in_chunks_are_forbidden() -> None:
    async def body() -> None:
        async with served_host() as (host, connect):
            task = await host.call("task.create", "import", "")
            client = await connect()
            parameters = {"session_id": host.kit.session, "sr_id": host.sr, "task_id": task}
            await client.send(head("PUT", "/import", parameters, "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n")
            assert (await answered(client)).status == 403
            assert host.row(task)["error_info"] == ("IMPORT_ERROR_CANNOT_HANDLE_CHUNKED",)

    run(body())


def test_an_import_that_breaks_off_leaves_nothing() -> None:
    async def body() -> None:
        async with served_host() as (host, connect):
            vm, _ = await server(host)
            exporting = await connect()
            await exporting.send(head("GET", "/export", {"session_id": host.kit.session, "ref": vm}))
            content = (await answered(exporting)).body
            count = host.world.count("VM"), host.world.count("VDI")
            task = await host.call("task.create", "import", "")
            client = await connect()
            parameters = {"session_id": host.kit.session, "sr_id": host.sr, "task_id": task}
            await client.send(head("PUT", "/import", parameters, f"Content-Length: {len(content)}") + content[:1_500_000])
            for _ in range(200):
                if host.world.count("VM") > count[0]:
                    break
                await asyncio.sleep(0.01)
            assert host.world.count("VM") == count[0] + 1
            client.close()
            for _ in range(200):
                if host.row(task)["status"] != "pending":
                    break
                await asyncio.sleep(0.01)
            assert host.row(task)["error_info"] == ("IMPORT_ERROR_PREMATURE_EOF",)
            assert (host.world.count("VM"), host.world.count("VDI")) == count

    run(body())


def test_a_host_without_the_storage_sends_the_client_to_one_that_has_it() -> None:
    async def body() -> None:
        async with served_host() as (host, connect):
            vm, _ = await server(host)
            other = add_host(host)
            with host.world.edit() as edit:
                for pbd in host.row(host.sr)["PBDs"]:
                    edit.set(pbd, host=host.id(other))
            client = await connect()
            parameters = {"session_id": host.kit.session, "ref": vm}
            await client.send(head("GET", "/export", parameters))
            reply = await answered(client)
            assert (reply.status, reply.headers["location"]) == (302, f"http://10.0.0.2/export?{urlencode(parameters)}")

    run(body())
