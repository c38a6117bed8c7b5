"""Hosts that are managed over another interface, as their clients see it: connections end, and new ones find the work done."""

from __future__ import annotations

import asyncio
import http.client
from contextlib import closing
from xmlrpc.client import dumps

import pytest
import uvloop
import XenAPI

from fake_xapi.fleet.addresses import has_all_loopback
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import served


def test_the_clients_of_a_host_lose_their_connections_when_its_management_moves() -> None:
    async def body() -> None:
        fleet = Fleet(Order(2, port=0, has_own_addresses=has_all_loopback()))
        try:
            async with served(fleet):
                await asyncio.to_thread(_moved, *(site.url for site in fleet.sites()))
        finally:
            await fleet.close()

    uvloop.run(body())


def _moved(url: str, other_url: str) -> None:
    session = XenAPI.Session(url, ignore_ssl=True)
    session.login_with_password("root", "xenroot")
    api = session.xenapi
    bare = next(pif for pif, row in api.PIF.get_all_records().items() if not row["management"])
    api.PIF.reconfigure_ip(bare, "DHCP", "", "", "", "")
    with closing(_asking(url)) as moved, closing(_asking(other_url)) as stayed:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            _ask(moved, dumps((session.handle, bare), "host.management_reconfigure"))
        _ask(stayed, ISALIVE)
    assert api.PIF.get_management(bare)
    session("close")()


ISALIVE = dumps(("x",), "system.isAlive:x")


def _asking(url: str) -> http.client.HTTPConnection:
    """A connection that has been used."""
    made = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    _ask(made, ISALIVE)
    return made


def _ask(connection: http.client.HTTPConnection, body: str) -> None:
    connection.request("POST", "/", body, {"Content-Type": "text/xml"})
    assert connection.getresponse().read()
