"""The faults of a fleet: which rules are in force, and the layer that carries them out.

A host that no rule is about answers through its own XAPI: faults that are not there cost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.http_tasks import TransferTask, UnseenTask
from fake_xapi.engine.xapi import Credential, Xapi
from fake_xapi.faults.rules import Dead, Delay, Drop, Hang, LoseReply, Refuse, Rule, Truncate
from fake_xapi.state.chance import Chance
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World


@dataclass(slots=True)
class _InForce:
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
    """The rules of one fleet. Chance is drawn from streams of the fleet's seed, one for each rule."""

    def __init__(self, seed: str) -> None:
        self._chance = Chance(f"faults {seed}")
        self._rules: dict[int, _InForce] = {}
        self._count = 0

    def add(self, rule: Rule) -> int:
        """Put a rule in force; the handle to remove it with."""
        self._count += 1
        self._rules[self._count] = _InForce(rule)
        return self._count

    def remove(self, handle: int) -> None:
        """Take a rule out of force, and let go what it holds; one that is gone already is fine."""
        gone = self._rules.pop(handle, None)
        if gone is not None:
            gone.removed.set()

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
        """The XAPI of a host as the rules let it be. ConnectionRefusedError when it is dead."""
        if not self._rules:
            return xapi
        about = {handle: known for handle, known in self._rules.items() if known.rule.is_about(host)}
        for known in about.values():
            if isinstance(known.rule.effect, Dead):
                known.hits += 1
                raise ConnectionRefusedError(f"{host} is dead")
        return FaultyXapi(xapi, self, about) if about else xapi

    def strikes(self, handle: int, known: _InForce, message: str, subject: object) -> bool:
        """Whether a rule strikes a call; counts that it was seen."""
        rule = known.rule
        if not rule.covers(message, subject):
            return False
        known.seen += 1
        if (rule.nth and known.seen != rule.nth) or (rule.count and known.hits >= rule.count):
            return False
        if rule.probability < 1 and self._chance.stream(str(handle)).random() >= rule.probability:
            return False
        known.hits += 1
        return True


class FaultyXapi:
    """An XAPI behind rules: the same to a transport, but that calls may fare badly."""

    __slots__ = ("_faults", "_rules", "_xapi")

    def __init__(self, xapi: Xapi, faults: Faults, rules: Mapping[int, _InForce]) -> None:
        self._xapi = xapi
        self._faults = faults
        self._rules = rules

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
        """As the XAPI itself."""
        return self._xapi.authorise(credential, action)

    def http_task(self, task_ref: str) -> TransferTask | UnseenTask:
        """As the XAPI itself."""
        return self._xapi.http_task(task_ref)

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """The XAPI's answer, or what the rules that strike make of it."""
        message = message_name(method)
        subject = params[1] if len(params) > 1 else ""
        struck = [known for handle, known in self._rules.items() if self._faults.strikes(handle, known, message, subject)]
        return self._disturbed(struck, method, params) if struck else self._xapi.dispatch(method, params)

    async def _disturbed(self, struck: list[_InForce], method: str, params: list[Any]) -> Any:
        for known in struck:
            await _before(known)
        value = self._xapi.dispatch(method, params)
        if isawaitable(value):
            value = await value
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
