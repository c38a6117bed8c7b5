"""Reads all that a XenServer tells of itself: every class's records, a first look at its events, and its data sources.

Only reads. Speaks JSON-RPC where it is answered, since large answers are read in a tenth of the time, else XML-RPC, which every
release answers. May not know that somebody reads along.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.http_exchange import exchange
from fake_xapi.replay.bodies import Unreadable, read_answered, written

ANSWER_S = 600.0
MOST_BYTES = 256 << 20
EVENTS_S = 1.0
_LIST = "system.listMethods"
_NO_RECORDS = frozenset({"event", "session"})


class CrawlError(RuntimeError):
    """The crawl cannot go on; the message names the cure."""


@dataclass(slots=True)
class Found:
    """What a crawl has read: how many objects of each class, and what it was refused."""

    objects: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asker:
    """A client of the server at a loopback port."""

    port: int
    wire: str = "xmlrpc"

    async def call(self, method: str, *params: Any) -> Any:
        """One call. Failure when XAPI refuses it, CrawlError when nothing answers that can be read."""
        try:
            return await asyncio.wait_for(self._exchange(method, params), ANSWER_S)
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise CrawlError(f"{method} has no answer ({reason}). Is the host up, and does the URL name a XenServer?") from error

    async def _exchange(self, method: str, params: Sequence[Any]) -> Any:
        path, kind, write = _WIRES[self.wire]
        async with exchange("POST", f"http://127.0.0.1:{self.port}{path}", {"Content-Type": kind}, write(method, *params)) as reply:
            if reply.status != 200:
                raise Unreadable(f"HTTP {reply.status}")
            return _result(self.wire, await reply.content(MOST_BYTES))


def _json(method: str, *params: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})


_WIRES: Mapping[str, tuple[str, str, Callable[..., bytes]]] = {
    "jsonrpc": ("/jsonrpc", "application/json", _json),
    "xmlrpc": ("/RPC2", "text/xml", written),
}


async def fastest(port: int) -> Asker:
    """A client that speaks what the server reads fastest. CrawlError when nothing answers at all."""
    try:
        await Asker(port, "jsonrpc").call(_LIST)
    except Failure:
        return Asker(port, "jsonrpc")
    except CrawlError:
        with contextlib.suppress(Failure):
            await Asker(port).call(_LIST)
        return Asker(port)
    return Asker(port, "jsonrpc")


def _result(wire: str, body: bytes) -> Any:
    answered = read_answered(wire, body)
    if answered.error:
        raise Failure(*answered.error)
    return answered.result


async def crawl(asker: Asker, user: str, password: str) -> Found:
    """Log in, read everything, log out. CrawlError when it cannot begin."""
    session = await _logged_in(asker, user, password)
    found = Found()
    try:
        methods = await _methods(asker)
        records = {cls: await _records(asker, session, cls, found) for cls in _classes(methods)}
        for method, *params in _more(methods, records):
            await _ask(asker, found, method, session, *params)
    finally:
        await _ask(asker, found, "session.logout", session)
    return found


async def _logged_in(asker: Asker, user: str, password: str) -> str:
    try:
        return str(await asker.call("session.login_with_password", user, password))
    except Failure as failure:
        raise CrawlError(
            _CURES.get(failure.code, "the server says {0}: {1}").format(failure.code, ", ".join(map(str, failure.params)))
        ) from failure


_CURES = {
    "SESSION_AUTHENTICATION_FAILED": "the server does not let this account in; check --user and --password",
    "HOST_IS_SLAVE": "the server is a member of a pool; record its master instead, with --upstream http://{1}",
    "HOST_STILL_BOOTING": "the server is still booting; try again in a minute",
}


async def _methods(asker: Asker) -> frozenset[str]:
    """The messages that the server lists; those of the newest release where it lists none."""
    try:
        return frozenset(map(str, await asker.call(_LIST)))
    except Failure:
        return frozenset(message.wire_name for cls in datamodel().classes.values() for message in cls.messages)


def _classes(methods: Iterable[str]) -> list[str]:
    """The classes whose records are to be had, in order: the datamodel's and any that it does not know."""
    have = {name.removesuffix(".get_all_records") for name in methods if name.endswith(".get_all_records")}
    return sorted(have - _NO_RECORDS)


async def _records(asker: Asker, session: str, cls: str, found: Found) -> dict[str, Any]:
    answer = await _ask(asker, found, f"{cls}.get_all_records", session)
    records = answer if isinstance(answer, dict) else {}
    found.objects[cls] = len(records)
    return records


async def _ask(asker: Asker, found: Found, method: str, *params: Any) -> Any:
    """The answer, None when XAPI refuses."""
    try:
        return await asker.call(method, *params)
    except Failure as failure:
        found.refused[method] = failure.code
        return None


def _more(methods: frozenset[str], records: dict[str, dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """What else is read: a first answer of events, and the data sources of hosts and of VMs that run."""
    if "event.from" in methods:
        yield "event.from", ["*"], "", EVENTS_S
    for cls in ("host", "VM"):
        if f"{cls}.get_data_sources" in methods:
            running = (ref for ref, record in records.get(cls, {}).items() if cls == "host" or record.get("power_state") == "Running")
            yield from ((f"{cls}.get_data_sources", ref) for ref in running)
