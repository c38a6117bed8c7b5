"""The faults of a fleet: the rules in force, what they strike, and how often they did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fake_xapi.datamodel.names import suggestion
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.conditions import Claims, Suffering, suffering
from fake_xapi.faults.effects import BadRule, Condition, Dead, LostNetwork
from fake_xapi.faults.faulty_xapi import FaultyXapi
from fake_xapi.faults.names import message_name
from fake_xapi.faults.points import Points
from fake_xapi.faults.rules import Rule
from fake_xapi.state.chance import Chance

__all__ = ["Faults", "FaultyXapi", "InForce", "message_name"]


@dataclass(slots=True, eq=False)
class InForce:
    """A rule with its handle, and the numbers of calls that it could have struck, that it struck, and that it holds now."""

    handle: int
    rule: Rule
    seen: int = 0
    hits: int = 0
    held: int = 0
    suffering: dict[str, Suffering] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self) -> None:
        """Wait until the calls that hang now are released."""
        released = self.released
        self.held += 1
        try:
            await released.wait()
        finally:
            self.held -= 1

    def kills(self, host: str) -> bool:
        """Whether the host is dead by this rule: at once, or since one of its operations reached the phase."""
        return isinstance(self.rule.effect, Dead) and (not self.rule.at or host in self.killed)

    def isolates(self, host: str) -> bool:
        """Whether this rule cuts the host off the network."""
        return host in self.suffering and self.suffering[host].isolates


class Faults:
    """The rules of one fleet; ``hosts`` are the names to which they may refer.

    Chance is drawn from streams of the fleet's seed. ``deaths`` are called, without arguments, whenever a host may have died, come back,
    or lost its network: for transports, whose connections to it end, and for pools, which miss it.
    """

    def __init__(self, seed: str, hosts: Collection[str] = ()) -> None:
        self.deaths: list[Callable[[], None]] = []
        self._chance = Chance(f"faults {seed}")
        self._hosts = hosts
        self._xapis: Mapping[str, Xapi] = {}
        self._claims = Claims()
        self._rules: dict[int, InForce] = {}
        self._by_host: dict[str, tuple[InForce, ...]] = {}
        self._count = 0

    def attach(self, xapis: Mapping[str, Xapi]) -> None:
        """Name the XAPIs of the hosts, whose conditions and operations rules may affect."""
        self._hosts = self._xapis = xapis

    # ---- what is in force -------------------------------------------------------------------------------------------------

    def add(self, rule: Rule) -> int:
        """Put a rule in force; returns the handle for removing it. BadRule when it matches no host of the fleet."""
        if self._hosts and not any(rule.is_about(host) for host in self._hosts):
            raise BadRule(f"no host of the fleet matches {rule.host!r}; {suggestion(rule.host, tuple(self._hosts))}")
        self._count += 1
        known = self._rules[self._count] = InForce(self._count, rule)
        self._by_host.clear()
        if isinstance(rule.effect, Condition):
            self._begin(known)
        if rule.at:
            self._set_points()
        self._tell_of_deaths(known)
        return self._count

    def remove(self, handle: int) -> None:
        """Remove a rule, if it is in force, and release the calls that it holds."""
        gone = self._rules.pop(handle, None)
        if gone is None:
            return
        self._by_host.clear()
        gone.released.set()
        for condition in gone.suffering.values():
            condition.end()
        if gone.rule.at:
            self._set_points()
        self._tell_of_deaths(gone)

    def release(self, handle: int) -> int:
        """Release the calls that a rule holds now, not later ones; returns their number. KeyError for a rule that is not in force."""
        known = self._rules[handle]
        released, known.released = known.released, asyncio.Event()
        released.set()
        return known.held

    def revive(self, host: str) -> None:
        """Revive a host killed by rules, or phases of operations, about it alone. BadRule for a rule that kills others as well."""
        for known in [known for known in self.about(host) if known.kills(host)]:
            if known.rule.at:
                known.killed.discard(host)
                self.release(known.handle)
                self._tell_of_deaths(known)
            elif known.rule.host == host:
                self.remove(known.handle)
            else:
                raise BadRule(f"{host} is dead by rule {known.handle}, which is about {known.rule.host!r}; remove that rule")

    def clear(self) -> None:
        """Remove all rules."""
        for handle in list(self._rules):
            self.remove(handle)

    def rules(self) -> Mapping[int, Rule]:
        """The rules in force by their handles."""
        return {handle: known.rule for handle, known in self._rules.items()}

    def in_force(self) -> Sequence[InForce]:
        """The rules in force with their counts, in the order in which they were added."""
        return tuple(self._rules.values())

    def hits(self, handle: int) -> int:
        """How often a rule that is in force has struck."""
        return self._rules[handle].hits

    def joined(self, host: str) -> None:
        """Begin the conditions of a host that has joined the fleet."""
        self._by_host.clear()
        for known in self.about(host):
            if isinstance(known.rule.effect, Condition):
                self._begin(known)
        self._set_points()

    def world_replaced(self, host: str) -> None:
        """Begin the conditions of a host anew in its replaced world."""
        for known in self.about(host):
            if host in known.suffering:
                known.suffering[host].begin()

    def _begin(self, known: InForce) -> None:
        for host, xapi in self._xapis.items():
            if known.rule.is_about(host) and host not in known.suffering:
                known.suffering[host] = suffering(xapi, known.rule, self._claims)
                known.hits += known.suffering[host].begin()

    def _set_points(self) -> None:
        """Let only the hosts of rules about phases check for them at all."""
        asked = {xapi.leader for host, xapi in self._xapis.items() if any(known.rule.at for known in self.about(host))}
        for host, xapi in self._xapis.items():
            if xapi.is_master:
                xapi.at_point = Points(self, host).reached if xapi in asked else None

    # ---- what it strikes --------------------------------------------------------------------------------------------------

    def over(self, host: str, xapi: Xapi) -> Xapi | FaultyXapi:
        """The XAPI of a host behind the present rules. ConnectionRefusedError when it is dead."""
        if not self._rules or not self.about(host):
            return xapi
        self.check_alive(host)
        return FaultyXapi(xapi, self, host)

    def about(self, host: str) -> tuple[InForce, ...]:
        """The rules about a host, in the order in which they were added."""
        found = self._by_host.get(host)
        if found is None:
            found = self._by_host[host] = tuple(known for known in self._rules.values() if known.rule.is_about(host))
        return found

    def is_dead(self, host: str) -> bool:
        """Whether a host is dead."""
        return bool(self._rules) and any(known.kills(host) for known in self.about(host))

    def is_isolated(self, host: str) -> bool:
        """Whether a host is cut off the network."""
        return bool(self._rules) and any(known.isolates(host) for known in self.about(host))

    def check_alive(self, host: str) -> None:
        """Raise ConnectionRefusedError when a host is dead."""
        for known in self.about(host):
            if known.kills(host):
                known.hits += 1
                raise ConnectionRefusedError(f"{host} is dead")

    def kill(self, known: InForce, host: str) -> None:
        """Let a host die by a rule in the middle of an operation."""
        known.killed.add(host)
        self._tell_of_deaths(known)

    async def reach(self, host: str) -> None:
        """Wait until the host's management interface has a carrier: senders retransmit until then."""
        while cause := next((known for known in self.about(host) if known.isolates(host)), None):
            await cause.hold()

    def striking(self, host: str, message: str, subjects: Sequence[str]) -> list[InForce]:
        """The rules that strike a call, which is counted for each rule. ConnectionRefusedError when the host is dead."""
        self.check_alive(host)
        asked = (known for known in self.about(host) if known.rule.is_met("") and known.rule.covers(message, subjects))
        return [known for known in asked if self._strikes(known)]

    def striking_at(self, phase: str, host: str, message: str, subjects: Sequence[str]) -> list[tuple[InForce, str]]:
        """The rules that strike an operation of the pool that a host leads, each with the host concerned; counted as above."""
        asked = {known: name for name in reversed(self._members(host)) for known in self.about(name) if known.rule.is_met(phase)}
        met = (known for known in sorted(asked, key=lambda known: known.handle) if known.rule.covers(message, subjects))
        return [(known, asked[known]) for known in met if self._strikes(known)]

    def _members(self, host: str) -> list[str]:
        """The hosts of a pool by their names, the leader first."""
        leader = self._xapis[host]
        if leader.world.count("host") == 1:
            return [host]
        return [host, *(name for name, xapi in self._xapis.items() if xapi.leader is leader and name != host)]

    def _strikes(self, known: InForce) -> bool:
        rule = known.rule
        known.seen += 1
        if (rule.nth and known.seen != rule.nth) or (rule.count and known.hits >= rule.count):
            return False
        if rule.probability < 1 and self._chance.stream(rule.stream or str(known.handle)).random() >= rule.probability:
            return False
        known.hits += 1
        return True

    def _tell_of_deaths(self, known: InForce) -> None:
        if isinstance(known.rule.effect, Dead | LostNetwork):
            for tell in self.deaths:
                tell()
