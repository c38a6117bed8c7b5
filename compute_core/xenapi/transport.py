"""The port between a session and whatever carries its calls: HTTP here, an in-process simulator when one is given from outside."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Protocol


class Transport(Protocol):
    """Carries calls to one address. Raises XenApiFailure for a refusal, NotSent, ReplyLost; for bytes of disks TransferFailed, Redirected.

    Values are plain: str, int, float, bool, list, dict; void is "". An int of the datamodel may come as its decimal text.
    What is answered belongs to the transport: nobody changes it in place.
    """

    async def call(self, method: str, params: list[Any]) -> Any:
        """One RPC, by its name in the datamodel (``VM.start``); the session's ref is among ``params``."""

    async def put(self, path: str, query: Mapping[str, str], chunks: AsyncIterator[bytes], length: int) -> None:
        """Send ``length`` bytes to an HTTP handler and wait until it has taken them."""

    def get(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The bytes that an HTTP handler sends, as they come."""

    async def close(self) -> None:
        """Drop every connection."""


@contextlib.asynccontextmanager
async def closing(chunks: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """The chunks; a stream that is left before its end lets go of what it reads from at once."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


Dial = Callable[[str], Transport]
"""Makes the transport to a URL; nothing is sent yet."""
