"""HTTPS: each host with its own certificate, verified by real clients."""

from __future__ import annotations

import asyncio
import ssl
import xmlrpc.client
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import pytest
import XenAPI
from cryptography.x509 import SubjectAlternativeName

from fake_xapi.dom0.x509 import read_certificate
from fake_xapi.fleet.addresses import has_all_loopback
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served
from fake_xapi.transports import tls
from tests.fake_xapi.transports.serving import Client, call, post, run

T = TypeVar("T")
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: the simulated date is no concern of these tests."""


def trusting(certificates: str) -> ssl.SSLContext:
    """What a client verifies with that trusts these certificates and no others."""
    context = ssl.create_default_context(cadata=certificates)
    context.verify_flags |= NO_CHECK_TIME
    return context


@asynccontextmanager
async def fleet_of(hosts: int = 1) -> AsyncIterator[Fleet]:
    fleet = Fleet(Order(hosts, port=0, has_own_addresses=has_all_loopback()))
    try:
        async with served(fleet, tls_port=0):
            yield fleet
    finally:
        await fleet.close()


async def in_thread(look: Callable[[], T]) -> T:
    return await asyncio.to_thread(look)


def logged_in(url: str, certificates: str) -> list[str]:
    """What the official client hears of a host that it verifies."""
    transport = xmlrpc.client.SafeTransport(context=trusting(certificates))
    session = XenAPI.Session(url, transport=transport)
    session.login_with_password("root", "xenroot")
    names = [record["hostname"] for record in session.xenapi.host.get_all_records().values()]
    session.xenapi.session.logout()
    transport.close()
    return names


def test_the_official_client_verifies_every_host_of_a_fleet_with_one_file() -> None:
    async def body() -> None:
        async with fleet_of(3) as fleet:
            certificates = fleet.certificates()
            heard = [await in_thread(partial(logged_in, fleet.tls_url(number), certificates)) for number in range(3)]
            assert heard == [["xs00001"], ["xs00002"], ["xs00003"]]

    run(body())


@pytest.mark.skipif(not has_all_loopback(), reason="the system has but one loopback address: all hosts share it")
def test_a_host_is_not_taken_for_another() -> None:
    async def body() -> None:
        async with fleet_of(2) as fleet:
            first, second = (xapi.server_identity()[0] for xapi in fleet.hosts.values())
            address = [site.address for site in fleet.sites()][1]
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(address, fleet.tls_ports[0], ssl=trusting(first))
            assert await in_thread(lambda: logged_in(fleet.tls_url(1), second)) == ["xs00002"]

    run(body())


def test_a_host_serves_with_the_certificate_that_xenapi_tells() -> None:
    async def body() -> None:
        async with fleet_of() as fleet:
            (xapi,) = fleet.hosts.values()
            session = await xapi.dispatch("session.login_with_password", ["root", "xenroot"])
            told = xapi.dispatch("host.get_server_certificate", [session, xapi.world.ref(xapi.host)])
            assert (await presented(fleet), told) == (xapi.server_identity()[0], xapi.server_identity()[0])
            xapi.dispatch("host.reset_server_certificate", [session, xapi.world.ref(xapi.host)])
            renewed = await presented(fleet)
            assert (renewed == xapi.server_identity()[0], renewed == told) == (True, False)

    run(body())


async def presented(fleet: Fleet) -> str:
    """The certificate that a client is shown."""
    site = next(fleet.sites())
    return await in_thread(lambda: ssl.get_server_certificate((site.address, fleet.tls_ports[0])))


@asynccontextmanager
async def wrapped(fleet: Fleet) -> AsyncIterator[Client]:
    site = next(fleet.sites())
    reader, writer = await asyncio.open_connection(site.address, fleet.tls_ports[0], ssl=trusting(fleet.certificates()))
    client = Client(reader, writer)
    try:
        yield client
    finally:
        client.close()


def test_requests_are_pipelined_and_bodies_are_long_over_tls_as_well() -> None:
    async def body() -> None:
        async with fleet_of() as fleet, wrapped(fleet) as client:
            await client.send(post(call("system.isAlive:x", "a")) + post(call("system.isAlive:x", "b" * 200_000)))
            replies = [await client.reply() for _ in range(2)]
            assert [reply.status for reply in replies] == [200, 200]
            assert (b"a" in replies[0].body, b"b" * 200_000 in replies[1].body) == (True, True)

    run(body())


def test_what_is_refused_over_tls_is_told_before_the_end() -> None:
    async def body() -> None:
        async with fleet_of() as fleet, wrapped(fleet) as client:
            await client.send(b"POST /RPC2 HTTP/1.1\r\nContent-Length: 400000\r\n\r\n")
            assert (await client.reply()).status == 413

    run(body())


def test_a_client_that_speaks_plainly_to_the_secure_port_is_let_go_and_hurts_nobody() -> None:
    async def body() -> None:
        async with fleet_of() as fleet:
            site = next(fleet.sites())
            reader, writer = await asyncio.open_connection(site.address, fleet.tls_ports[0])
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readuntil(b"HTTP/1.1 200")
            writer.transport.abort()
            silent = (await asyncio.open_connection(site.address, fleet.tls_ports[0]))[1]
            async with wrapped(fleet) as client:
                assert (await client.post(call("system.isAlive:x", "a"))).status == 200
            silent.transport.abort()

    run(body())


def test_a_dead_host_shakes_no_hands() -> None:
    async def body() -> None:
        async with fleet_of() as fleet:
            site = next(fleet.sites())
            fleet.machines.off.add(site.name)
            client = Client(*await asyncio.open_connection(site.address, fleet.tls_ports[0]))
            assert await client.rest() in (b"", b"reset")
            client.close()

    run(body())


def test_contexts_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        monkeypatch.setattr(tls, "MOST_CONTEXTS", 2)
        fleet = Fleet(Order(3, has_own_addresses=True))
        contexts = tls.Contexts()
        first, second, third = fleet.hosts.values()
        made = [contexts.of(xapi) for xapi in (first, second, first, third)]
        assert (made[0] is made[2], contexts.of(first) is made[0], contexts.of(second) is made[1]) == (True, True, False)
        await fleet.close()

    run(body())


def test_a_certificate_names_the_host_and_its_address() -> None:
    async def body() -> None:
        fleet = Fleet(Order(1, has_own_addresses=True))
        certificate = read_certificate(fleet.certificates())
        assert certificate is not None
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
        assert [str(name.value) for name in names.value] == ["xs00001", next(fleet.sites()).address]
        await fleet.close()

    run(body())
