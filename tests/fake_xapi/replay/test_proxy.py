"""A proxy over real sockets: clients cannot tell it from the server, and what passes is written without what is secret."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from fake_xapi.engine.clock import Clock
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from fake_xapi.replay.proxy import BadUpstream, upstream
from fake_xapi.replay.recording import Recorder
from fake_xapi.replay.session import Account, record, record_all
from tests.fake_xapi.replay.rig import lines, official, proxied, raw_server, run, simulated, url_of
from tests.fake_xapi.transports.serving import call, post, success

NO_CHECK_TIME = 0x200000
"""OpenSSL's flag: the simulated hosts live in 2012."""


def test_the_official_client_lives_through_the_proxy_and_no_secret_is_written(tmp_path: Path) -> None:
    handles: list[str] = []

    def talk(session: Any) -> str:
        handles.append(session.handle)
        session.xenapi.secret.create({"value": "hush-hush", "other_config": {}})
        network = session.xenapi.network.create({"name_label": "n", "other_config": {"password": "hush-hush"}})
        with pytest.raises(XenAPI.Failure, match="HANDLE_INVALID"):
            session.xenapi.VM.start("OpaqueRef:nothing", False, False)
        return str(session.xenapi.network.get_uuid(network))

    async def body() -> tuple[str, list[Any]]:
        async with simulated(Order()) as fleet, proxied(url_of(fleet), tmp_path / "r") as proxy:
            uuid = await official(proxy.url, talk)
            return uuid, [(c.method, c.error, c.is_answered, c.session[:18]) for c in await proxy.calls()]

    uuid, calls = run(body())
    began = "OpaqueRef:session-"
    assert calls == [
        ("session.login_with_password", (), True, ""),
        ("secret.create", (), True, began),
        ("network.create", (), True, began),
        ("VM.start", ("HANDLE_INVALID", "VM", "OpaqueRef:nothing"), False, began),
        ("network.get_uuid", (), True, began),
        ("session.logout", (), True, began),
    ]
    text = (tmp_path / "r").read_text()
    assert uuid in text
    assert [word for word in ("hush-hush", "xenroot", handles[0]) if word in text] == []


def test_events_are_polled_for_long_and_tasks_of_async_calls_come_to_their_end(tmp_path: Path) -> None:
    def wait(session: Any) -> list[str]:
        token = session.xenapi.event_from(["network", "task"], "", 1.0)["token"]
        found = session.xenapi.event_from(["network"], token, 30.0)
        return [event["snapshot"]["name_label"] for event in found["events"]]

    def make(session: Any) -> str:
        sr = next(ref for ref, sr in session.xenapi.SR.get_all_records().items() if sr["name_label"] == "Local storage")
        task = session.xenapi.Async.SR.scan(sr)
        while session.xenapi.task.get_status(task) == "pending":
            pass
        session.xenapi.network.create({"name_label": "heard of", "other_config": {}})
        return str(session.xenapi.task.get_status(task))

    async def body() -> tuple[list[str], str, set[str]]:
        async with simulated(Order()) as fleet, proxied(url_of(fleet), tmp_path / "r") as proxy:
            waiting = asyncio.ensure_future(official(proxy.url, wait))
            await proxy.until(lambda calls: any("event" in c.method for c in calls))
            made = await official(proxy.url, make)
            return await waiting, made, {c.method for c in await proxy.calls()}

    heard, status, methods = run(body())
    assert (heard, status) == (["heard of"], "success")
    assert {"Async.SR.scan", "task.get_status"} <= methods


def test_json_rpc_is_recorded_as_well(tmp_path: Path) -> None:
    async def body() -> list[Any]:
        async with simulated(Order()) as fleet, proxied(url_of(fleet), tmp_path / "r") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            ask = {"jsonrpc": "2.0", "method": "session.login_with_password", "params": ["root", "xenroot"], "id": 1}
            writer.write(post(json.dumps(ask).encode(), "/jsonrpc"))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            writer.close()
            return [(c.wire, c.method, c.params, c.is_answered) for c in await proxy.calls()]

    assert run(body()) == [("jsonrpc", "session.login_with_password", ["root", "********"], True)]


def test_every_byte_passes_as_it_is_in_both_directions(tmp_path: Path) -> None:
    odd = b"POST /RPC2 HTTP/1.1\r\nHOST:   x\r\nX-Odd:\ttab \r\ntransfer-encoding: chunked\r\n\r\n"
    ask = call("VM.get_power_state", "s", "vm")
    sent = odd + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ask), ask) + post(ask)
    answer = success("<value>Running</value>")
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-y:z\r\n\r\n%b" % (len(answer), answer)
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(got) < len(sent):
            got.extend(await reader.read(7))
        writer.write(reply + reply)
        writer.close()

    async def body() -> tuple[bytes, list[Any]]:
        async with raw_server(serve) as url, proxied(url, tmp_path / "r") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            for place in range(0, len(sent), 11):
                writer.write(sent[place : place + 11])
                await writer.drain()
            back = await reader.read()
            writer.close()
            return back, [(c.method, c.result) for c in await proxy.calls()]

    assert run(body()) == (reply + reply, [("VM.get_power_state", "Running")] * 2)
    assert bytes(got) == sent


def test_of_transfers_only_heads_sizes_and_hashes_are_written(tmp_path: Path) -> None:
    content, picture = b"bytes" * 100_000, b"answer"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(content))
        writer.write(b"HTTP/1.1 200 OK\r\ntask-id: t\r\nset-cookie: hush\r\n\r\n" + picture)
        writer.close()

    async def body() -> bytes:
        async with raw_server(serve) as url, proxied(url, tmp_path / "r") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            target = "/import?session_id=OpaqueRef:hush&sr_id=OpaqueRef:1&password=hush"
            writer.write(f"PUT {target} HTTP/1.1\r\nCookie: a=hush\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
            back = await reader.read()
            writer.close()
            return back

    assert run(body()).endswith(b"\r\n\r\nanswer")
    [line] = lines(tmp_path / "r")
    assert line["query"].pop("session_id").startswith("OpaqueRef:session-")
    assert {key: value for key, value in line.items() if key not in ("at", "took_s")} == {
        "kind": "http", "method": "PUT", "path": "/import", "query": {"sr_id": "OpaqueRef:1", "password": "********"}, "status": 200,
        "headers": {"task-id": "t"}, "sent": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        "got": {"bytes": len(picture), "sha256": hashlib.sha256(picture).hexdigest()},
    }  # fmt: skip
    assert "hush" not in (tmp_path / "r").read_text()


def test_consoles_pass_as_well_whatever_is_spoken_there(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" if head.startswith(b"CONNECT") else b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
        writer.write(b"RFB 003.003\n" + await reader.readexactly(12))
        writer.close()

    async def body() -> list[bytes]:
        found = []
        async with raw_server(serve) as url, proxied(url, tmp_path / "r") as proxy:
            for line in (b"CONNECT /console?ref=OpaqueRef:c", b"GET /console?ref=OpaqueRef:c"):
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(line + b" HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"\x00\xff<not HTTP>")
                found += [head.split()[1], await reader.read()]
                writer.close()
        return found

    spoken = b"RFB 003.003\n\x00\xff<not HTTP>"
    assert run(body()) == [b"200", spoken, b"101", spoken]
    assert [(line["method"], line["status"], line.get("lost")) for line in lines(tmp_path / "r")] == [
        ("CONNECT", 200, None),
        ("GET", 101, None),
    ]


def test_a_server_with_tls_is_verified_by_its_certificate(tmp_path: Path) -> None:
    async def body() -> tuple[bool, list[str]]:
        fleet = Fleet(Order(port=0))
        try:
            async with served(fleet, 0):
                (tmp_path / "pem").write_text(fleet.certificates())
                url = fleet.tls_url(0)
                trusting = upstream(url, tmp_path / "pem")
                assert trusting.context is not None
                trusting.context.verify_flags |= NO_CHECK_TIME
                async with proxied(trusting, tmp_path / "good") as proxy:
                    was_there = bool(await official(proxy.url, lambda session: session.xenapi.VM.get_all()))
                async with proxied(upstream(url), tmp_path / "bad") as proxy:
                    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                    writer.write(post(call("VM.get_all", "OpaqueRef:s")))
                    lost = [c.lost for c in await proxy.until(bool)]
                    writer.close()
                return was_there, lost
        finally:
            await fleet.close()

    was_there, [lost] = run(body())
    assert was_there
    assert "CERTIFICATE_VERIFY_FAILED" in lost


def test_nothing_secret_of_a_whole_crawl_is_written(tmp_path: Path) -> None:
    def furnish(session: Any) -> None:
        xapi = session.xenapi
        vm = xapi.VM.get_by_name_label("Other install media")[0]
        xapi.VM.add_to_xenstore_data(vm, "vm-data/password", "hush-xenstore")
        xapi.secret.create({"value": "hush-secret", "other_config": {"password": "hush-other"}})
        sr = xapi.SR.introduce("12345678-1234-4234-8234-123456789abc", "iscsi", "", "lvmoiscsi", "user", True, {})
        host = xapi.host.get_all()[0]
        config = {"target": "10.0.0.1", "chapuser": "joe", "chappassword": "hush-chap", "incoming_chappassword": "hush-incoming"}
        xapi.PBD.create({"host": host, "SR": sr, "device_config": config, "other_config": {}})

    async def body() -> set[str]:
        async with simulated(Order()) as fleet:
            url = url_of(fleet)
            await official(url, furnish)
            refs = {fleet.hosts["xs00001"].world.ref(session) for session in fleet.hosts["xs00001"].world.ids("session")}
            with Recorder.create(tmp_path / "r", {"upstream": url}) as recorder:
                await record_all(upstream(url), recorder, Clock(), Account("root", "xenroot"))
            return refs

    refs = run(body())
    text = (tmp_path / "r").read_text()
    assert [word for word in ("hush", "xenroot", *refs) if word in text] == []
    assert [word for word in ("chapuser", "joe", "10.0.0.1", "vm-data/password", "********") if word not in text] == []


def test_a_disk_that_is_full_ends_the_recording_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def body() -> None:
        async with simulated(Order()) as fleet:
            with Recorder.create(tmp_path / "r", {"upstream": "u"}) as recorder:
                monkeypatch.setattr("fake_xapi.replay.recording.os.write", full)
                ports: list[int] = []
                working = asyncio.ensure_future(record(upstream(url_of(fleet)), recorder, Clock(), 0, asyncio.Event(), ports.append))
                while not ports:  # noqa: ASYNC110  # a port is soon there
                    await asyncio.sleep(0)
                _, writer = await asyncio.open_connection("127.0.0.1", ports[0])
                writer.write(post(call("VM.get_all", "OpaqueRef:s")))
                try:
                    await working
                finally:
                    writer.close()

    with pytest.raises(OSError, match="No space left"):
        run(body())
    assert len((tmp_path / "r").read_bytes().splitlines()) == 1


async def _die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def _cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly")
    writer.close()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def _babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
    writer.close()


@pytest.mark.parametrize(
    ("serve", "lost"),
    [
        (_die, "cannot be reached"),
        (_cut, "the answer broke off"),
        (_refuse, "HTTP 503"),
        (_babble, "the answer cannot be read"),
    ],
)
def test_a_call_without_an_answer_is_written_with_the_reason(serve: Any, lost: str, tmp_path: Path) -> None:
    async def body() -> list[Any]:
        async with raw_server(serve) as url, proxied(url, tmp_path / "r") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(post(call("VM.get_all", "OpaqueRef:s")))
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
            found = await proxy.until(bool)
            return [(c.method, c.is_answered, c.lost) for c in found]

    [(method, is_answered, why)] = run(body())
    assert (method, is_answered) == ("VM.get_all", False)
    assert lost in why or (serve is _die and "before it answered" in why)


def test_a_server_that_is_not_there_resets_the_client_and_is_named(tmp_path: Path) -> None:
    async def body() -> list[str]:
        async with raw_server(_die) as url:
            pass
        async with proxied(url, tmp_path / "r") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(post(call("VM.get_all", "OpaqueRef:s")))
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            found = await proxy.until(bool)
            return [c.lost.replace(url, "URL") for c in found]

    [why] = run(body())
    assert why.startswith("URL cannot be reached: ")


def test_a_client_that_leaves_takes_its_connection_with_it(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"</methodCall>")
        assert await reader.read() == b""
        gone.set()
        writer.close()

    async def body() -> list[str]:
        async with raw_server(serve) as url, proxied(url, tmp_path / "r") as proxy:
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(post(call("event.from", "OpaqueRef:s")))
            await writer.drain()
            writer.close()
            await gone.wait()
            found = await proxy.until(bool)
            return [c.lost for c in found]

    assert run(body()) == ["the server closed the connection before it answered"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "ftp://host",
        "http://",
        "http://user@host",
        "http://host/path",
        "http://host?x=1",
        "http://host:port",
        "https://host:99999",
    ],
)
def test_a_url_that_names_no_host_is_refused(url: str) -> None:
    with pytest.raises(BadUpstream):
        upstream(url)


def test_certificates_are_verified_unless_nobody_wants_to_know(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("nothing")
    with pytest.raises(BadUpstream, match="holds no certificates"):
        upstream("https://host", tmp_path / "pem")
    careful, careless, plain = upstream("https://host"), upstream("https://host", is_insecure=True), upstream("http://host:81/")
    assert careful.context is not None
    assert careless.context is not None
    assert (careful.port, careful.context.check_hostname, careless.context.check_hostname) == (443, True, False)
    assert (plain.url, plain.port, plain.context) == ("http://host:81", 81, None)
