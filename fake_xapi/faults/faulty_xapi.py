"""A host's XAPI behind the rules: transports use it like any other, but calls may fare badly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.call import RunningCall
from fake_xapi.engine.http_tasks import TransferTask, UnseenTask
from fake_xapi.engine.xapi import Credential, Xapi
from fake_xapi.faults.effects import Delay, Drop, Hang, LoseReply, Refuse, Truncate
from fake_xapi.faults.names import message_name, named_in
from fake_xapi.faults.rules import Rule
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

if TYPE_CHECKING:
    from fake_xapi.faults.faults import Faults, InForce

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """An answer whose reply is cut off after a fraction of its bytes."""

    value: Any
    cut_at: float


class FaultyXapi:
    """A host that rules concern. May be kept: it follows the rules. Other hosts answer through their own XAPI."""

    __slots__ = ("_faults", "_host", "_xapi")

    def __init__(self, xapi: Xapi, faults: Faults, host: str) -> None:
        self._xapi = xapi
        self._faults = faults
        self._host = host

    @property
    def personality(self) -> Personality:
        """The release that it pretends to be."""
        return self._xapi.personality

    @property
    def world(self) -> World:
        """Its world as of now."""
        return self._xapi.world

    @property
    def disks(self) -> DiskStore:
        """The bytes of its VDIs."""
        return self._xapi.disks

    @property
    def host(self) -> Id:
        """The host that answers."""
        return self._xapi.host

    def authority(self, host: Id) -> str:
        """As the XAPI itself."""
        return self._xapi.authority(host)

    def authorise(self, credential: Credential, action: str) -> Id:
        """As the XAPI itself; ConnectionRefusedError when the host is dead."""
        self._faults.check_alive(self._host)
        return self._xapi.authorise(credential, action)

    def begin_transfer(self, name: str, session: Id, task_ref: str) -> RunningCall:
        """As the XAPI itself."""
        return self._xapi.begin_transfer(name, session, task_ref)

    def unseen_call(self, name: str) -> RunningCall:
        """As the XAPI itself."""
        return self._xapi.unseen_call(name)

    def server_identity(self) -> tuple[str, str]:
        """As the XAPI itself."""
        return self._xapi.server_identity()

    def now(self) -> str:
        """As the XAPI itself."""
        return self._xapi.now()

    def audit_lines(self, since: str) -> Iterator[str]:
        """As the XAPI itself."""
        return self._xapi.audit_lines(since)

    def http_task(self, task_ref: str) -> TransferTask | UnseenTask:
        """As the XAPI itself."""
        return self._xapi.http_task(task_ref)

    async def transfer(self, action: str, bytes_moved: int, work: Callable[[], Awaitable[T]]) -> T:
        """Run a transfer, subject to the rules that strike it; truncation cuts the answer's ``pieces``."""
        await self._faults.reach(self._host)
        struck = self._faults.striking(self._host, action, ())
        for known in struck:
            await _before(known)
        answer = await self._xapi.transfer(action, bytes_moved, work)
        for known in struck:
            answer = _transferred(known.rule, answer)
        return answer

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """The XAPI's answer, subject to the rules that strike the call. ConnectionError when the client gets none."""
        rules = self._faults.about(self._host)
        if self._faults.is_isolated(self._host):
            return self._when_reached(method, params)
        struck = self._faults.striking(self._host, message_name(method), self._subjects(rules, params)) if rules else None
        if struck:
            return self._disturbed(struck, method, params)
        answer = self._xapi.dispatch(method, params)
        return self._unless_dead(answer) if isawaitable(answer) else answer

    def _subjects(self, rules: tuple[InForce, ...], params: list[Any]) -> Sequence[str]:
        """The names of the objects in a call; empty when no rule needs them."""
        return named_in(self._xapi.world, params) if any(known.rule.subject for known in rules) else ()

    async def _when_reached(self, method: str, params: list[Any]) -> Any:
        await self._faults.reach(self._host)
        answer = self.dispatch(method, params)
        return await answer if isawaitable(answer) else answer

    async def _unless_dead(self, answer: Awaitable[Any]) -> Any:
        """Withhold the answer of a host that has died in the meantime; one that lost its network answers later."""
        value = await answer
        await self._faults.reach(self._host)
        self._faults.check_alive(self._host)
        return value

    async def _disturbed(self, struck: list[InForce], method: str, params: list[Any]) -> Any:
        for known in struck:
            await _before(known)
        self._faults.check_alive(self._host)
        value = self._xapi.dispatch(method, params)
        if isawaitable(value):
            value = await self._unless_dead(value)
        for known in struck:
            value = _after(known.rule, value)
        return value


async def _before(known: InForce) -> None:
    match known.rule.effect:
        case Refuse(code, params):
            raise Failure(code, *params)
        case Delay(seconds):
            await asyncio.sleep(seconds)
        case Drop():
            raise ConnectionResetError("dropped by a rule")
        case Hang():
            await known.hold()


def _after(rule: Rule, value: Any) -> Any:
    match rule.effect:
        case LoseReply():
            raise ConnectionResetError("the reply was lost by a rule")
        case Truncate(fraction):
            return CutAnswer(value, fraction)
    return value


def _transferred(rule: Rule, answer: Any) -> Any:
    match rule.effect:
        case LoseReply():
            raise ConnectionResetError("the reply was lost by a rule")
        case Truncate(fraction):
            return replace(answer, pieces=_cut(answer.pieces, int(answer.length * fraction)))
    return answer


def _cut(pieces: Iterator[bytes], left: int) -> Iterator[bytes]:
    """That many bytes, then the connection ends; a reply without bytes ends it at once."""
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            break
    raise ConnectionResetError("the transfer was cut by a rule")
