"""The body of a request: its sender waits while too much of it does, and is let go when it no longer does."""

from __future__ import annotations

import asyncio

from fake_xapi.transports.streams import HIGH_WATER_BYTES, BodyStream

PIECE = bytes(HIGH_WATER_BYTES // 4)


def test_a_sender_is_held_once_and_let_go_once_however_many_pieces_come_at_a_time() -> None:
    async def read() -> list[str]:
        heard: list[str] = []
        stream = BodyStream(None, lambda: heard.append("hold"), lambda: heard.append("go"))
        for _ in range(8):
            stream.feed(PIECE)
        for _ in range(8):
            await anext(stream)
            heard.append("read")
        return heard

    assert asyncio.run(read()) == ["hold", "read", "read", "read", "go", *["read"] * 5]
