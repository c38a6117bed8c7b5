"""A fleet on real sockets: where it listens, and on which kind of event loop."""

from __future__ import annotations

import asyncio
import gc
import resource
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fake_xapi.fleet.fleet import Fleet
from fake_xapi.transports.http import HttpServer

COLLECT_AFTER = (20_000, 20, 100)
"""Objects until the youngest are looked through, and how often that is done until older ones are as well."""


@asynccontextmanager
async def served(fleet: Fleet, tls_port: int | None = None) -> AsyncIterator[None]:
    """Serve every host at its planned address (port 0: any free one); the fleet's sites then say where. Does not close the fleet.

    With a ``tls_port``, by HTTPS as well. OSError when a port is taken.
    """
    order = fleet.order
    fleet.guard(secrets.token_bytes(32))
    async with HttpServer(fleet) as server:
        if order.has_own_addresses:
            fleet.found_at([await server.listen(order.port)])
        else:
            wanted = [order.port + number if order.port else 0 for number in range(order.hosts)]
            fleet.found_at(await server.listen_at("127.0.0.1", wanted))
        if tls_port is not None:
            fleet.found_tls_at(await _listen_tls(server, fleet, tls_port))
        for told in (fleet.faults.deaths, fleet.machines.on_change):
            told.append(server.drop_dead)
        try:
            yield
        finally:
            for told in (fleet.faults.deaths, fleet.machines.on_change):
                told.remove(server.drop_dead)


async def _listen_tls(server: HttpServer, fleet: Fleet, port: int) -> list[int]:
    if fleet.order.has_own_addresses:
        return [await server.listen_tls(port)]
    return await server.listen_tls_at("127.0.0.1", [port + number if port else 0 for number in range(fleet.order.hosts)])


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where that is available, otherwise of asyncio."""
    try:
        import uvloop  # noqa: PLC0415  # not every system has it
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def make_room_for_connections() -> None:
    """Raise the limit on open sockets as far as the system allows: with two per client, a large fleet soon needs 20,000."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def building() -> Iterator[None]:
    """Build what lives as long as the process: the garbage collector pauses, and ignores it afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()


@contextmanager
def few_collections() -> Iterator[None]:
    """Where a whole cloud is alive, and hardly anything of it is garbage in cycles: the collector looks through it seldom."""
    usual = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
