"""Blobs, the audit log and the feed of messages over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from tests.fake_xapi.transports.images import NOISE, exchange, served
from tests.fake_xapi.transports.serving import Client, Reply, run
from tests.fake_xapi.transports.worlds import MB, Host


def asked(method: str, path: str, body: bytes | None = None, headers: str = "", **query: str) -> bytes:
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    return f"{method} {path}?{urlencode(query)} HTTP/1.1\r\n{length}{headers}\r\n".encode() + (body or b"")


async def blob_of(xen: Host, mime_type: str = "text/plain", *, public: bool = False) -> str:
    return str(await xen.call("blob.create", mime_type, public))


# ---- blobs ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"hello", NOISE * 3])
def test_what_is_put_is_got(content: bytes) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            blob = await blob_of(xen)
            before = await xen.call("blob.get_last_updated", blob)
            reply = await exchange(client, asked("PUT", "/blob", content, session_id=xen.session, ref=blob))
            assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "*")
            got = await exchange(client, asked("GET", "/blob", session_id=xen.session, uuid=await xen.call("blob.get_uuid", blob)))
            assert (got.status, got.headers["content-type"], got.body) == (200, "text/plain", content)
            assert await xen.call("blob.get_size", blob) == len(content)
            assert (before, await xen.call("blob.get_last_updated", blob) > before) == ("19700101T00:00:00Z", True)

    run(body())


def test_a_second_content_replaces_the_first_and_one_that_breaks_off_does_not() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            blob = await blob_of(xen)
            for content in (NOISE, b"short"):
                await exchange(client, asked("PUT", "/blob", content, session_id=xen.session, ref=blob))
            request = asked("PUT", "/blob", NOISE, session_id=xen.session, ref=blob)
            await client.send(request[: len(request) - 100])
            client.writer.write_eof()
            assert (await client.reply()).status == 400
            assert xen.xapi.disks.read(xen.id(blob), 0, 5) == b"short"
            assert await xen.call("blob.get_size", blob) == 5

    run(body())


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("GET", {}, 400),
        ("GET", {"ref": "OpaqueRef:dead"}, 404),
        ("GET", {"ref": "SR"}, 404),
        ("GET", {"uuid": "nonsense"}, 404),
        ("GET", {"ref": "BLOB"}, 404),
        ("PUT", {}, 400),
        ("PUT", {"ref": "OpaqueRef:dead"}, 404),
    ],
)
def test_what_is_no_blob_is_not_found(method: str, query: Mapping[str, str], status: int) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            known = {"SR": xen.xapi.world.ref(xen.sr), "BLOB": await blob_of(xen)}
            named = {name: known.get(value, value) for name, value in query.items()}
            content = b"x" if method == "PUT" else None
            assert (await exchange(client, asked(method, "/blob", content, session_id=xen.session, **named))).status == status

    run(body())


def test_a_blob_needs_its_length() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            query = urlencode({"session_id": xen.session, "ref": await blob_of(xen)})
            await client.send(f"PUT /blob?{query} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".encode())
            assert (await client.reply()).status == 411

    run(body())


@pytest.mark.parametrize(("public", "status"), [(True, 200), (False, 401)])
def test_only_a_public_blob_is_given_to_strangers_and_none_is_taken_from_them(public: bool, status: int) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            blob = await blob_of(xen, public=public)
            await exchange(client, asked("PUT", "/blob", b"hello", session_id=xen.session, ref=blob))
            assert (await exchange(client, asked("GET", "/blob", ref=blob))).status == status
            assert (await exchange(client, asked("GET", "/blob", ref=blob, session_id="OpaqueRef:dead"))).status == status
            assert (await exchange(client, asked("PUT", "/blob", b"HELLO", ref=blob))).status == 401
            assert xen.xapi.disks.read(xen.id(blob), 0, 5) == b"hello"

    run(body())


def test_a_type_cannot_smuggle_a_header() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            blob = await blob_of(xen, "text/plain\r\nSet-Cookie: a=b", public=True)
            await exchange(client, asked("PUT", "/blob", b"hello", session_id=xen.session, ref=blob))
            reply = await exchange(client, asked("GET", "/blob", ref=blob))
            assert ("set-cookie" in reply.headers, reply.headers["content-type"]) == (False, "application/octet-stream")

    run(body())


def test_a_destroyed_blob_leaves_no_bytes() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            blob = await blob_of(xen)
            await exchange(client, asked("PUT", "/blob", b"hello", session_id=xen.session, ref=blob))
            identity = xen.id(blob)
            await xen.call("blob.destroy", blob)
            assert identity not in xen.xapi.disks

    run(body())


# ---- who asks -------------------------------------------------------------------------------------------------------------------


def test_the_pools_secret_lets_in_by_cookie_and_not_by_query() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            secret = xen.xapi.sessions.pool_secret
            by_cookie = await exchange_to_end(client, asked("GET", "/audit_log", headers=f"Cookie: pool_secret={secret}\r\n"))
            assert by_cookie.startswith(b"HTTP/1.1 200")
        async with served() as (xen, client):
            wrong = await exchange(client, asked("GET", "/audit_log", headers="Cookie: pool_secret=wrong\r\n"))
            by_query = await exchange(client, asked("GET", "/audit_log", pool_secret=xen.xapi.sessions.pool_secret))
            assert (wrong.status, by_query.status) == (401, 401)
            assert xen.xapi.world.count("session") == 1

    run(body())


def test_a_password_lets_in_and_leaves_no_session_behind() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            basic = base64.b64encode(b"root:xenroot").decode()
            blob = await blob_of(xen)
            reply = await exchange(client, asked("PUT", "/blob", b"x", f"Authorization: Basic {basic}\r\n", ref=blob))
            assert (reply.status, xen.xapi.world.count("session")) == (200, 1)

    run(body())


# ---- the audit log --------------------------------------------------------------------------------------------------------------


async def exchange_to_end(client: Client, request: bytes) -> bytes:
    await client.send(request)
    return await client.rest()


def test_each_call_with_an_effect_has_a_line_and_no_other_has() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            vdi = xen.vdi(4 * MB, name_label="it's")
            await xen.call("VDI.get_uuid", vdi)
            await xen.call("VDI.set_name_label", vdi, "new")
            await xen.call("session.change_password", "xenroot", "very secret")
            content = await exchange_to_end(client, asked("GET", "/audit_log", session_id=xen.session))
            head, _, lines = content.partition(b"\r\n\r\n")
            written = lines.decode().splitlines()
            assert b"Content-Type: text/plain" in head
            actions = [line.split("'API' '")[1].split("'")[0] for line in written if "'API'" in line]
            assert actions == ["VDI.set_name_label", "session.change_password"]
            uuid = xen.xapi.world.uuid(xen.id(vdi))
            assert written[0].endswith(f"'ALLOWED' 'OK' 'API' 'VDI.set_name_label' (('self' 'it\\'s' '{uuid}' '{vdi}')))")
            assert ("very secret" in lines.decode(), xen.session in lines.decode()) == (False, False)

    run(body())


def test_lines_are_given_from_a_date_on() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            await xen.call("blob.create", "text/plain", False)
            content = await exchange_to_end(client, asked("GET", "/audit_log", session_id=xen.session, since="2099-01-01T00:00"))
            assert content.partition(b"\r\n\r\n")[2] == b""

    run(body())


# ---- the feed of messages -------------------------------------------------------------------------------------------------------

MESSAGE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<message><ref>OpaqueRef:x</ref><name>{name}</name><priority>3</priority><cls>VM</cls>'
    "<obj_uuid>{about}</obj_uuid><timestamp>2012-08-01T10:00:00Z</timestamp><uuid>{uuid}</uuid><body>a &lt; b</body></message>"
)
UUIDS = ("11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666")


async def feed(xen: Host, client: Client, content: str, **query: str) -> Reply:
    return await exchange(client, asked("PUT", "/messages", content.encode(), session_id=xen.session, **query))


def test_messages_are_taken_in_each_once() -> None:
    async def body() -> None:
        async with served() as (xen, client):
            with xen.xapi.world.edit() as edit:
                about = xen.xapi.world.uuid(edit.create("VM"))
            content = "".join(MESSAGE.format(name=name, about=about, uuid=uuid) for name, uuid in zip("AB", UUIDS, strict=True))
            for _ in range(2):
                assert (await feed(xen, client, content, cls="VM", uuid=about)).status == 200
            rows = sorted(xen.xapi.world.rows("message"))
            told = [(row["name"], row["uuid"], row["obj_uuid"], row["timestamp"], row["priority"], row["body"]) for _, row in rows]
            expected = [(name, uuid, about, "20120801T10:00:00Z", 3, "a < b") for name, uuid in zip("AB", UUIDS, strict=True)]
            assert told == expected

    run(body())


ENTITIES = '<!DOCTYPE m [<!ENTITY a "aaaa">]><message><name>&a;</name></message>'


@pytest.mark.parametrize(
    ("query", "content", "status"),
    [
        ({}, "", 400),
        ({"cls": "VM"}, "", 400),
        ({"cls": "PIF", "uuid": "VM"}, "", 400),
        ({"cls": "VM", "uuid": UUIDS[0]}, "", 404),
        ({"cls": "VM", "uuid": "VM"}, "<message>", 400),
        ({"cls": "VM", "uuid": "VM"}, "<message><name>A</name></message>", 400),
        ({"cls": "VM", "uuid": "VM"}, ENTITIES, 400),
    ],
)
def test_what_is_no_message_is_refused_and_changes_nothing(query: Mapping[str, str], content: str, status: int) -> None:
    async def body() -> None:
        async with served() as (xen, client):
            with xen.xapi.world.edit() as edit:
                about = xen.xapi.world.uuid(edit.create("VM"))
            named = {name: about if (name, value) == ("uuid", "VM") else value for name, value in query.items()}
            assert (await feed(xen, client, content, **named)).status == status
            assert xen.xapi.world.count("message") == 0

    run(body())
