"""The faults of a fleet: which rules are in force, and the layer that carries them out.

A host that no rule is about answers through its own XAPI: faults that are not there cost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import Any, TypeVar

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.http_tasks import TransferTask, UnseenTask
from fake_xapi.engine.xapi import Credential, Xapi
from fake_xapi.faults.rules import Dead, Delay, Drop, Hang, LoseReply, Refuse, Rule, Truncate, suggestion
from fake_xapi.state.chance import Chance
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

T = TypeVar("T")


@dataclass(slots=True)
class _InForce:
    """A rule with its handle, how many calls it could have struck, and how many it did."""

    handle: int
    rule: Rule
    seen: int = 0
    hits: int = 0
    removed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """An answer whose reply is cut off after a fraction of its bytes."""

    value: Any
    cut_at: float


class Faults:
    """The rules of one fleet. Chance is drawn from streams of the fleet's seed, one for each rule.

    ``deaths`` are called, without arguments, whenever a host may have died or come back: for transports, whose connections to it end,
    and for pools, which miss it.
    """

    def __init__(self, seed: str, hosts: Collection[str] = ()) -> None:
        self.deaths: list[Callable[[], None]] = []
        self._chance = Chance(f"faults {seed}")
        self._hosts = hosts
        self._rules: dict[int, _InForce] = {}
        self._by_host: dict[str, tuple[_InForce, ...]] = {}
        self._count = 0

    def add(self, rule: Rule) -> int:
        """Put a rule in force; the handle to remove it with. ValueError when it is about no host of the fleet."""
        if self._hosts and not any(rule.is_about(host) for host in self._hosts):
            raise ValueError(f"no host of the fleet matches {rule.host!r}; {suggestion(rule.host, tuple(self._hosts))}")
        self._count += 1
        self._rules[self._count] = _InForce(self._count, rule)
        self._by_host.clear()
        if isinstance(rule.effect, Dead):
            self._tell_deaths()
        return self._count

    def remove(self, handle: int) -> None:
        """Take a rule out of force, and let go what it holds; one that is gone already is fine."""
        gone = self._rules.pop(handle, None)
        if gone is not None:
            self._by_host.clear()
            gone.removed.set()
            if isinstance(gone.rule.effect, Dead):
                self._tell_deaths()

    def _tell_deaths(self) -> None:
        for tell in self.deaths:
            tell()

    def clear(self) -> None:
        """Remove all rules."""
        for handle in list(self._rules):
            self.remove(handle)

    def rules(self) -> Mapping[int, Rule]:
        """The rules in force by their handles."""
        return {handle: known.rule for handle, known in self._rules.items()}

    def hits(self, handle: int) -> int:
        """How often a rule that is in force has struck."""
        return self._rules[handle].hits

    def over(self, host: str, xapi: Xapi) -> Xapi | FaultyXapi:
        """The XAPI of a host as the rules let it be now. ConnectionRefusedError when it is dead."""
        if not self._rules or not self.about(host):
            return xapi
        self.check_alive(host)
        return FaultyXapi(xapi, self, host)

    def about(self, host: str) -> tuple[_InForce, ...]:
        """The rules about a host, in the order in which they were added."""
        found = self._by_host.get(host)
        if found is None:
            found = self._by_host[host] = tuple(known for known in self._rules.values() if known.rule.is_about(host))
        return found

    def check_alive(self, host: str) -> None:
        """ConnectionRefusedError when a host is dead."""
        for known in self.about(host):
            if isinstance(known.rule.effect, Dead):
                known.hits += 1
                raise ConnectionRefusedError(f"{host} is dead")

    def is_dead(self, host: str) -> bool:
        """Whether a host is dead."""
        return bool(self._rules) and any(isinstance(known.rule.effect, Dead) for known in self.about(host))

    def striking(self, host: str, message: str, subjects: Sequence[str]) -> list[_InForce]:
        """The rules that strike a call; counts that they were asked. ConnectionRefusedError when the host is dead."""
        self.check_alive(host)
        return [known for known in self.about(host) if known.rule.covers(message, subjects) and self._strikes(known)]

    def _strikes(self, known: _InForce) -> bool:
        rule = known.rule
        known.seen += 1
        if (rule.nth and known.seen != rule.nth) or (rule.count and known.hits >= rule.count):
            return False
        if rule.probability < 1 and self._chance.stream(str(known.handle)).random() >= rule.probability:
            return False
        known.hits += 1
        return True


class FaultyXapi:
    """A host's XAPI behind the rules: the same to a transport, but that calls may fare badly. May be kept: it follows the rules."""

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

    def authorise(self, credential: Credential, action: str) -> Id:
        """As the XAPI itself; ConnectionRefusedError when the host is dead."""
        self._faults.check_alive(self._host)
        return self._xapi.authorise(credential, action)

    def http_task(self, task_ref: str) -> TransferTask | UnseenTask:
        """As the XAPI itself."""
        return self._xapi.http_task(task_ref)

    async def transfer(self, action: str, bytes_moved: int, work: Callable[[], Awaitable[T]]) -> T:
        """A transfer, or what the rules that strike make of it; its answer's ``pieces`` are what a truncation cuts."""
        struck = self._faults.striking(self._host, action, ())
        for known in struck:
            await _before(known)
        answer = await self._xapi.transfer(action, bytes_moved, work)
        for known in struck:
            answer = _transferred(known.rule, answer)
        return answer

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """The XAPI's answer, or what the rules that strike make of it. ConnectionError when the client gets none."""
        rules = self._faults.about(self._host)
        struck = self._faults.striking(self._host, message_name(method), self._subjects(rules, params)) if rules else None
        if struck:
            return self._disturbed(struck, method, params)
        answer = self._xapi.dispatch(method, params)
        return self._unless_dead(answer) if isawaitable(answer) else answer

    def _subjects(self, rules: tuple[_InForce, ...], params: list[Any]) -> Sequence[str]:
        """The ref, uuid and name_label of the object that a call is about; nothing when no rule asks for them."""
        if not any(known.rule.subject for known in rules) or len(params) < 2 or not isinstance(params[1], str):
            return ()
        world, ref = self._xapi.world, params[1]
        row = world.get(world.find_ref(ref)) if world.find_ref(ref) else None
        if row is None:
            return (ref,)
        label = [row["name_label"]] if "name_label" in row.layout.index else []
        return (ref, world.uuid(world.find_ref(ref)), *label)

    async def _unless_dead(self, answer: Awaitable[Any]) -> Any:
        """A host that died meanwhile says nothing of what it did."""
        value = await answer
        self._faults.check_alive(self._host)
        return value

    async def _disturbed(self, struck: list[_InForce], method: str, params: list[Any]) -> Any:
        for known in struck:
            await _before(known)
        self._faults.check_alive(self._host)
        value = self._xapi.dispatch(method, params)
        if isawaitable(value):
            value = await self._unless_dead(value)
        for known in struck:
            value = _after(known.rule, value)
        return value


def message_name(method: str) -> str:
    """A method of the wire as the datamodel names its message: ``Async.VM.start`` and ``VM_start`` are ``VM.start``."""
    name = method.removeprefix("Internal").removeprefix("Async.")
    return name if "." in name else _dotted(name)


def _dotted(name: str) -> str:
    """``VM_guest_metrics_get_record``: the longest class that is a prefix wins."""
    found = max((cls for cls in _classes() if name.startswith(f"{cls}_")), key=len, default="")
    return f"{found}.{name[len(found) + 1 :]}" if found else name


def _classes() -> tuple[str, ...]:
    return tuple(datamodel().classes)


async def _before(known: _InForce) -> None:
    match known.rule.effect:
        case Refuse(code, params):
            raise Failure(code, *params)
        case Delay(seconds):
            await asyncio.sleep(seconds)
        case Drop():
            raise ConnectionResetError("dropped by a rule")
        case Hang():
            await known.removed.wait()


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
    """So many bytes, then the connection ends; a reply that has none ends at once."""
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            break
    raise ConnectionResetError("the transfer was cut by a rule")
