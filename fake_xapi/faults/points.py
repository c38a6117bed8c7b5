"""Faults in the middle of operations: what happens when a call reaches a phase that a rule names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.call import RunningCall
from fake_xapi.faults.effects import Dead, Delay, Hang, Refuse
from fake_xapi.faults.names import names_of

if TYPE_CHECKING:
    from fake_xapi.faults.faults import Faults, InForce


class Points:
    """The phases of a pool's operations, as rules see them; ``host`` leads the pool. Rules about any of its hosts are checked."""

    __slots__ = ("_faults", "_host")

    def __init__(self, faults: Faults, host: str) -> None:
        self._faults = faults
        self._host = host

    async def reached(self, call: RunningCall, phase: str) -> None:
        """Apply the rules about this phase of the call. A dead host gets no further."""
        subjects = _names(call)
        await self._while_dead()
        for known, host in self._faults.striking_at(phase, self._host, call.message.wire_name, subjects):
            await self._strike(known, host, call)

    async def _strike(self, known: InForce, host: str, call: RunningCall) -> None:
        match known.rule.effect:
            case Refuse(code, params):
                raise Failure(code, *params)
            case Delay(seconds):
                await call.unless_cancelled(asyncio.sleep(seconds))
            case Hang():
                await call.unless_cancelled(known.hold())
            case Dead():
                self._faults.kill(known, host)
                await self._while_dead()

    async def _while_dead(self) -> None:
        """Hold the work of a host that has died; once the rule is gone it continues, as after a long pause of its hardware."""
        while cause := next((known for known in self._faults.about(self._host) if known.kills(self._host)), None):
            await cause.hold()


def _names(call: RunningCall) -> list[str]:
    """The names of the objects among a call's parameters, and in its record."""
    values = [value for param in call.about for value in (param.values() if isinstance(param, dict) else (param,))]
    return [name for value in values if isinstance(value, int) for name in names_of(call.world, value)]
