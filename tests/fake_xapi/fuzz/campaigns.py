"""Campaigns of malformed requests by name, and how many requests a chapter of each has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.fake_xapi.fuzz.calls import Chapter
from tests.fake_xapi.fuzz.documents import Documents
from tests.fake_xapi.fuzz.transfers import Transfers
from tests.fake_xapi.fuzz.wire import Bytes

RELEASES = ("latest", "tampa", "clearwater", "boston")


@dataclass(frozen=True, slots=True)
class Campaign:
    """``run(seed, count)``: the complaints about so many requests. ``size``: those of one chapter, over which a seed is fresh."""

    run: Callable[[str, int], list[str]]
    size: int


def _calls(release: str) -> Callable[[str, int], list[str]]:
    return lambda seed, count: Chapter(seed, release).run(count)


async def _documents(seed: str, count: int) -> list[str]:
    return Documents(seed).run(count)


CAMPAIGNS: Mapping[str, Campaign] = {
    **{f"calls-{release}": Campaign(_calls(release), 2500) for release in RELEASES},
    "bytes": Campaign(lambda seed, count: Bytes(seed).run(count), 5000),
    "documents": Campaign(lambda seed, count: asyncio.run(_documents(seed, count)), 25_000),
    "transfers": Campaign(lambda seed, count: Transfers(seed).run(count), 500),
}


def repeat_with(name: str, seed: str, count: int) -> str:
    """The command that runs a chapter again."""
    return f"python -m tests.fake_xapi.fuzz {name} {seed} {count}"
