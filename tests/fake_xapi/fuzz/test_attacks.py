"""Attacks that are known by name, against every way in: documents that grow, archives that burst, requests inside requests, names
that forge logs, sessions that are guessed, secrets that might be written down."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import tarfile
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import zstandard

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.xml_values import MalformedXml
from fake_xapi.dom0 import tar
from fake_xapi.dom0.documents import BadDocument, read_document
from fake_xapi.dom0.updateinfo import BadRepository, from_bundle
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.handlers import HANDLERS
from fake_xapi.transports.xml_read import read_call
from tests.fake_xapi.fuzz.limits import no_longer_than
from tests.fake_xapi.fuzz.wire import Wire

T = TypeVar("T")
PASSWORD = "correct horse battery staple"


class House:
    """A host, and a client with a session."""

    def __init__(self, fleet: Fleet) -> None:
        self.wire = Wire(fleet)
        self.xapi: Xapi = next(iter(fleet.hosts.values()))
        self.session = ""

    async def call(self, method: str, *params: Any) -> Any:
        """The answer of a call with the session."""
        return await self.raw(method, self.session, *params)

    async def raw(self, method: str, *params: Any) -> Any:
        """The answer of a call."""
        answer = self.xapi.dispatch(method, list(params))
        return await answer if asyncio.iscoroutine(answer) else answer

    async def refusal(self, method: str, *params: Any) -> list[str]:
        """The ErrorDescription of a call, as it is given."""
        try:
            answer = await self.raw(method, *params)
        except Failure as failure:
            return failure.details
        raise AssertionError(f"{method} answered {answer!r}")


def at_home(body: Callable[[House], Awaitable[T]]) -> T:
    """Run over a host with a VM and its snapshot."""

    async def main() -> T:
        fleet = Fleet(Order(vms=1, snapshots=1), Settings(password=PASSWORD))
        house = House(fleet)
        house.session = await house.raw("session.login_with_password", "root", PASSWORD)
        try:
            return await body(house)
        finally:
            await fleet.close()

    return run_virtual(main())


# ---- documents --------------------------------------------------------------------------------------------------------------------

CALL = b"<methodCall><methodName>a.b</methodName><params><param><value>%b</value></param></params></methodCall>"
LAUGHS = b"<!DOCTYPE x [<!ENTITY a 'ha'>%b]>" % b"".join(b"<!ENTITY %c '&%c;&%c;&%c;&%c;'>" % (n + 1, n, n, n, n) for n in range(97, 117))
XML_ATTACKS = {
    "a billion laughs": LAUGHS + CALL % b"&u;",
    "quadratic blow-up": b"<!DOCTYPE x [<!ENTITY a '" + b"a" * 50_000 + b"'>]>" + CALL % (b"&a;" * 50_000),
    "an external entity": b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + CALL % b"&a;",
    "an external document type": b"<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'>" + CALL % b"",
    "a parameter entity": b"<!DOCTYPE x [<!ENTITY % a SYSTEM 'http://127.0.0.1:1/'> %a;]>" + CALL % b"",
    "an empty document type": b"<!DOCTYPE x>" + CALL % b"",
    "a document type in UTF-16": (
        "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE x [<!ENTITY a 'b'>]>" + (CALL % b"&a;").decode()
    ).encode("utf-16"),
    "UTF-7": b"<?xml version='1.0' encoding='UTF-7'?>+ADw-!DOCTYPE x+AD4-" + CALL % b"",
    "elements without end": CALL % (b"<array><data><value>" * 10_000),
    "elements inside one another": CALL % (b"<array><data><value>" * 500 + b"</value></data></array>" * 500),
    "an entity that is no character": CALL % b"&#0;",
    "half a character": CALL % b"&#xD800;",
}


@pytest.mark.parametrize("name", XML_ATTACKS)
def test_no_document_does_what_it_is_made_for(name: str) -> None:
    with no_longer_than(2):
        with pytest.raises(MalformedXml):
            read_call(XML_ATTACKS[name])
        if "DOCTYPE" in XML_ATTACKS[name].decode("latin-1"):
            with pytest.raises(BadDocument):
                read_document(XML_ATTACKS[name])


@pytest.mark.parametrize(
    "inside",
    [b"<![CDATA[<value>&a;]]>" * 2000, b"<!--x-->" * 30_000, b"<?pi x?>" * 30_000, b"x" * 300_000, b"&#65;" * 50_000],
)
def test_what_is_long_but_right_is_read_in_no_time(inside: bytes) -> None:
    with no_longer_than(2):
        assert read_call(CALL % inside)[0] == "a.b"


def test_attributes_by_the_thousand_are_ignored_in_no_time() -> None:
    many = b" ".join(b"a%d='%d'" % (number, number) for number in range(20_000))
    with no_longer_than(2):
        assert read_call((CALL % b"x").replace(b"<value>", b"<value " + many + b">")) == ("a.b", ["x"])


def test_a_map_of_as_many_keys_as_a_request_holds_is_kept_in_no_time() -> None:
    async def body(house: House) -> None:
        vm = (await house.call("VM.get_all"))[0]
        many = {f"Ez{'Ey' * (number % 13)}{number}": "" for number in range(20_000)}
        with no_longer_than(2):
            await house.call("VM.set_other_config", vm, many)
        assert await house.call("VM.get_other_config", vm) == many

    at_home(body)


# ---- archives ---------------------------------------------------------------------------------------------------------------------

BURST_BYTES = 300 << 20


def _zeros(pack: Callable[[bytes], bytes]) -> bytes:
    return pack(tar.header("ova.xml", BURST_BYTES) + bytes(BURST_BYTES))


async def _put(house: House, path: str, content: bytes) -> bytes:
    head = f"PUT {path}{'&' if '?' in path else '?'}session_id={house.session} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n"
    return await house.wire.answer([head.encode(), *(content[start : start + 65536] for start in range(0, len(content), 65536))])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_an_archive_that_bursts_is_refused_before_it_does(pack: Callable[[bytes], bytes]) -> None:
    async def body(house: House) -> None:
        before = house.xapi.world.count("VM")
        content = _zeros(pack)
        tracemalloc.start()
        answer = await _put(house, "/import", content)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert peak < 64 << 20
        assert house.xapi.world.count("VM") == before

    at_home(body)


def test_a_packed_body_is_no_call() -> None:
    async def body(house: House) -> None:
        packed = gzip.compress(CALL % b"x")
        head = f"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
        assert (await house.wire.answer([head + packed])).startswith(b"HTTP/1.1 500 ")

    at_home(body)


def _tar(*members: tuple[str, bytes, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, link in members:
            member = tarfile.TarInfo(name)
            member.size, member.linkname = len(content), link
            member.type = tarfile.SYMTYPE if link else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["../../../tmp/slipped", "/tmp/slipped", "ova.xml/../../slipped"])
def test_an_archive_writes_no_file_wherever_its_names_lead(name: str) -> None:
    async def body(house: House) -> None:
        answer = await _put(house, "/import", _tar((name, b"slipped", "")))
        assert answer.startswith(b"HTTP/1.1 500 ")

    at_home(body)


def test_a_link_in_a_bundle_leads_nowhere() -> None:
    with pytest.raises(BadRepository):
        from_bundle(_tar(("repodata/repomd.xml", b"", "/etc/passwd")))


# ---- requests inside requests -----------------------------------------------------------------------------------------------------

INNER = b"GET / HTTP/1.1\r\n\r\n"
SMUGGLED = {
    "both lengths": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "both, the other way": b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + INNER,
    "two lengths": b"Content-Length: 0\r\nContent-Length: 18\r\n\r\n" + INNER,
    "a list of lengths": b"Content-Length: 0, 18\r\n\r\n" + INNER,
    "a length with a sign": b"Content-Length: +0\r\n\r\n" + INNER,
    "a length in other digits": "Content-Length: \u0660\r\n\r\n".encode() + INNER,
    "chunks by another name": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunks and more": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "chunks behind a tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    "a space before the colon": b"Content-Length : 18\r\n\r\n" + INNER,
    "a folded line": b"X: y\r\n Content-Length: 18\r\n\r\n" + INNER,
    "a bare line feed in a chunk": b"Transfer-Encoding: chunked\r\n\r\n0\n\n" + INNER,
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + INNER,
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_who_is_unclear_about_where_a_request_ends_gets_no_second_answer(name: str) -> None:
    async def body(house: House) -> None:
        answer = await house.wire.answer([b"POST /nowhere HTTP/1.1\r\nHost: x\r\n" + SMUGGLED[name]])
        assert b" 200 OK\r\n" not in answer
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"Connection: close\r\n" in answer

    at_home(body)


def test_a_name_writes_no_header() -> None:
    async def body(house: House) -> None:
        vm = next(iter(await house.call("VM.get_all")))
        for ref in await house.call("VM.get_all"):
            await house.call("VM.set_name_label", ref, "x\r\nSet-Cookie: a=b\r\n\r\n<html>")
        uuid = await house.call("VM.get_uuid", vm)
        for method, path in HANDLERS:
            query = f"?session_id={house.session}&uuid={uuid}&ref={vm}&name=x%0d%0aSet-Cookie:%20a=b"
            if method == b"GET" and path != b"/console":
                answer = await house.wire.answer([method + b" " + path + query.encode() + b" HTTP/1.1\r\n\r\n"])
                assert b"Set-Cookie" not in answer.partition(b"\r\n\r\n")[0], path

    at_home(body)


# ---- who gets in ------------------------------------------------------------------------------------------------------------------


def test_nothing_but_a_session_is_a_session() -> None:
    async def body(house: House) -> None:
        world, good = house.xapi.world, house.session
        guesses: list[Any] = [
            world.ref(identity) for cls in world.personality.classes for identity in list(world.ids(cls))[:3] if cls != "session"
        ]
        guesses += [
            good.upper(),
            good[:-1],
            good + " ",
            " " + good,
            good + "\0",
            good.removeprefix("OpaqueRef:"),
            "OpaqueRef:NULL",
            "",
            "root",
        ]
        guesses += [world.uuid(session) for session in world.ids("session")]
        for guess in guesses:
            assert (await house.refusal("VM.get_all", guess))[0] == "SESSION_INVALID", guess
        for wrong in (None, 7, True, 1.5, [good], {"session": good}):
            assert (await house.refusal("VM.get_all", wrong))[0] == "INTERNAL_ERROR", wrong
        assert await house.call("VM.get_all")

    at_home(body)


@pytest.mark.parametrize("credential", ["", "session_id=OpaqueRef:NULL", "session_id=", "pool_secret=x", "session_id=x&pool_secret=x"])
def test_no_handler_serves_who_has_no_session(credential: str) -> None:
    async def body(house: House) -> None:
        vm, before = (await house.call("VM.get_all"))[0], house.xapi.world.value
        asked = f"?ref={vm}&uuid={await house.call('VM.get_uuid', vm)}&vdi=x&{credential} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode()
        for method, path in HANDLERS:
            status = (await house.wire.answer([method + b" " + path + asked])).split(b" ")[1:2]
            assert status in ([b"401"], [b"501"]), (method, path)
        assert house.xapi.world.value is before

    at_home(body)


# ---- what is written down ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x\n[20300101T00:00:00.000Z|info|h|0|audit] (forged)", "x\r\x0b\x0c\x1c\x85\u2028y", "\x1b[2J\x07x"])
def test_a_name_forges_no_line_of_the_audit_log(name: str) -> None:
    async def body(house: House) -> None:
        vm = (await house.call("VM.get_all"))[0]
        before = len(list(house.xapi.audit_lines("")))
        await house.call("VM.set_name_label", vm, name)
        await house.call("VM.set_name_description", vm, name)
        text = "\n".join(list(house.xapi.audit_lines(""))[before:])
        assert len(text.splitlines()) == 2
        assert all(line.isprintable() for line in text.split("\n"))

    at_home(body)


def test_no_secret_is_written_down(caplog: pytest.LogCaptureFixture) -> None:
    secret = "hunter2-hunter2"

    async def body(house: House) -> None:
        caplog.set_level(logging.DEBUG)
        pool, host = (await house.call("pool.get_all"))[0], (await house.call("host.get_all"))[0]
        await house.refusal("session.login_with_password", "root", secret)
        await house.call("secret.create", {"value": secret, "other_config": {}})
        await house.refusal("pool.enable_external_auth", house.session, pool, {"user": "u", "pass": secret}, "d", "AD")
        await house.refusal("pool.join", house.session, "127.0.0.1:9", "root", secret)
        await house.refusal("host.call_plugin", house.session, host, "none", "x", {"password": secret})
        await house.refusal("VM.import", house.session, f"http://u:{secret}@127.0.0.1:9/", "OpaqueRef:NULL", False, False)
        await house.call("session.change_password", PASSWORD, secret)
        await house.wire.answer([f"GET /audit_log?session_id={house.session} HTTP/1.1\r\nCookie: pool_secret={secret}\r\n\r\n".encode()])
        written = caplog.text + "\n".join(house.xapi.audit_lines(""))
        for word in (secret, PASSWORD, house.session, house.xapi.sessions.pool_secret):
            assert word not in written

    at_home(body)
