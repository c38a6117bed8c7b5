"""What a connection asks of the system."""

from __future__ import annotations

import asyncio

from compute_core.xenapi.connection import KEPT_ALIVE, Connection


def test_a_host_that_dies_without_a_word_is_noticed() -> None:
    async def body() -> list[int]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()
            transport, _ = await asyncio.get_running_loop().create_connection(Connection, *address)
            wire = transport.get_extra_info("socket")
            found = [wire.getsockopt(level, option) for level, option, _ in KEPT_ALIVE]
            transport.close()
            return found

    assert asyncio.run(body()) == [value for _, _, value in KEPT_ALIVE]
