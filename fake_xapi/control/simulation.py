"""A running simulation from its controller's point of view: the Python API, for use on the simulation's own loop.

The control plane offers the same over HTTP; ``fake_xapi.control.client`` is its client. Methods return plain values, or raise Refused with
the cure. A method that waits for the simulation's time is a coroutine.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

from fake_xapi.control.clock import Time
from fake_xapi.control.errors import Conflict, Refused, nothing_called
from fake_xapi.control.hosts import Looks, host_detail, host_summary
from fake_xapi.control.journal import Journals, Point
from fake_xapi.control.live import Live
from fake_xapi.control.metrics import Lag
from fake_xapi.control.snapshots import NOW, Snapshot, Snapshots, differences, pools, suffer_again
from fake_xapi.control.traffic import CAUSE, SUCCESS, Count, Seen, Traffic, latencies_of
from fake_xapi.control.worlds import counted, entry_line, listed, objects, world_summary
from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.engine.rewinding import replace_world
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.effects import EFFECTS, BadRule
from fake_xapi.faults.faults import InForce
from fake_xapi.faults.fist import FIST_POINTS
from fake_xapi.faults.plain import plain_rule, rule_from
from fake_xapi.faults.rules import Dead, Rule, phases
from fake_xapi.fleet.fleet import Fleet, Site
from fake_xapi.state.value import diff

__all__ = ["NOW", "Simulation"]


class Simulation:
    """A fleet under control, whose calls are observed from now on. ``folder`` is where saved snapshots are."""

    def __init__(self, fleet: Fleet, folder: Path | None = None) -> None:
        self.fleet = fleet
        self.traffic = Traffic(known_messages().__contains__)
        self.time = Time(fleet)
        self.looks = Looks(fleet)
        self.journals = Journals()
        self.lag = Lag()
        self._snapshots = Snapshots(fleet, folder or Path())
        self._sites = {site.name: site for site in fleet.sites()}
        self.live = Live(self)
        fleet.watch = self.traffic.over

    def close(self) -> None:
        """Stop controlling the fleet."""
        self.fleet.watch = None
        self.lag.close()
        self.live.close()
        self.journals.close()
        self._snapshots.close()

    # ---- hosts ------------------------------------------------------------------------------------------------------------

    def hosts(self, name: str = "*", state: str = "", after: str = "", limit: int = 100) -> dict[str, Any]:
        """The hosts whose names match a glob, after a given one, with the name after which to continue."""
        wanted = [site for host, site in self._known().items() if fnmatchcase(host, name) and host > after]
        if state:
            wanted = [site for site in wanted if self.looks.state(site.name) == state]
        page = wanted[:limit]
        rest = page[-1].name if len(wanted) > limit else ""
        return {"hosts": [host_summary(self.fleet, self.looks, site) for site in page], "next": rest, "total": len(self._known())}

    def host(self, name: str) -> dict[str, Any]:
        """One host with its VMs, storage and tasks."""
        return host_detail(self.fleet, self.looks, self._site(name))

    def set_alive(self, name: str, *, alive: bool) -> dict[str, Any]:
        """Kill or revive a host. Conflict for one that a rule about several hosts keeps dead."""
        site, faults = self._site(name), self.fleet.faults
        if not alive and not faults.is_dead(name):
            faults.add(Rule(Dead(), host=name))
        if alive:
            try:
                faults.revive(name)
            except BadRule as refusal:
                raise Conflict(str(refusal)) from refusal
        return host_summary(self.fleet, self.looks, site)

    def fork_host(self, name: str) -> dict[str, Any]:
        """Add a host that begins as a copy of a stand-alone host: the same refs and sessions, at an address of its own."""
        self._site(name)
        try:
            site = self.fleet.fork(name)
        except ValueError as refusal:
            raise Conflict(str(refusal)) from refusal
        self.live.came(site.name)
        return host_summary(self.fleet, self.looks, self._known()[site.name])

    def _known(self) -> Mapping[str, Site]:
        if len(self._sites) != len(self.fleet.hosts):
            self._sites = {site.name: site for site in self.fleet.sites()}
        return self._sites

    def _site(self, name: str) -> Site:
        site = self._known().get(name)
        if site is None:
            raise nothing_called("host", name, tuple(self._known()))
        return site

    def _pool(self, name: str) -> Xapi:
        """The XAPI of a host's pool."""
        return self.fleet.hosts[self._site(name).name].leader

    # ---- worlds -----------------------------------------------------------------------------------------------------------

    def world(self, host: str) -> dict[str, Any]:
        """The size of a host's world, and how far back its journal goes."""
        pool = self._pool(host)
        return {"host": host, **world_summary(pool, self.journals.of(pool))}

    def objects(self, host: str, cls: str, after: int = 0, limit: int = 100) -> dict[str, Any]:
        """Records of a class as XenAPI shows them, with the number after which to continue."""
        found, rest = objects(self._pool(host).world, cls, after, limit)
        return {"objects": found, "next": rest}

    def journal(self, host: str, before: int | None = None, limit: int = 100) -> dict[str, Any]:
        """The recorded generations of a world, newest first."""
        pool = self._pool(host)
        journal = self.journals.needed(pool, host)
        lines = [entry_line(entry, pool.clock.at(entry.at_s)) for entry in islice(journal.before(before), limit)]
        return {"most": journal.most, "kept": len(journal.entries), "entries": lines}

    def keep_journals(self, hosts: str, entries: int) -> dict[str, Any]:
        """Keep that many generations of the worlds of matching hosts from now on; 0 keeps none."""
        matching = {self.fleet.hosts[name].leader: name for name in self._known() if fnmatchcase(name, hosts)}
        if not matching:
            raise nothing_called("host", hosts, tuple(self._known()))
        for pool in matching:
            self.journals.keep(pool, entries)
        return {"worlds": len(matching), "most": entries}

    async def rewind(self, host: str, generation: int) -> dict[str, Any]:
        """Return a world to a generation in its journal."""
        pool = self._pool(host)
        entry = self.journals.needed(pool, host).at(generation)
        await self._replace(pool, entry.point, f"rewind to generation {generation}")
        return self.world(host)

    def diff_world(self, host: str, old: str, new: str = NOW, limit: int = 100) -> dict[str, Any]:
        """The differences in a world between two moments, each the name of a snapshot, a generation of the journal, or ``now``."""
        pool = self._pool(host)
        changes = list(diff(self._moment(pool, host, old).value, self._moment(pool, host, new).value))
        return {"counts": counted(changes), "changes": listed(pool.world, changes, limit), "total": len(changes)}

    def _moment(self, pool: Xapi, host: str, name: str) -> Point:
        if name.isdecimal():
            return self.journals.needed(pool, host).at(int(name)).point
        found = self._snapshots.find(name).pools.get(pool.world)
        if found is None:
            raise Conflict(f"the snapshot {name!r} has no world of {host}, which was another when it was taken")
        return found

    async def _replace(self, pool: Xapi, point: Point, cause: str) -> None:
        token = CAUSE.set(cause)
        try:
            await replace_world(pool, point.value, point.disks, point.release)
        finally:
            CAUSE.reset(token)
        suffer_again(self.fleet)

    # ---- snapshots --------------------------------------------------------------------------------------------------------

    def snapshots(self) -> dict[str, Any]:
        """The snapshots of the whole fleet, oldest first."""
        return {"snapshots": [_snapshot_line(snapshot) for snapshot in self._snapshots.all()]}

    def take_snapshot(self, name: str) -> dict[str, Any]:
        """Take a snapshot of every world and disk, at no cost."""
        return _snapshot_line(self._snapshots.take(name, self.time.date()))

    def remove_snapshot(self, name: str) -> None:
        """Delete a snapshot."""
        self._snapshots.remove(name)

    async def restore_snapshot(self, name: str) -> dict[str, Any]:
        """Restore every world to a snapshot."""
        token = CAUSE.set(f"restore of snapshot {name}")
        try:
            await self._snapshots.restore(name)
        finally:
            CAUSE.reset(token)
        return _snapshot_line(self._snapshots.find(name))

    def diff_snapshots(self, old: str, new: str = NOW) -> dict[str, Any]:
        """The number of objects that differ, in every world, between two snapshots or one and ``now``."""
        hosts = {xapi.world: name for name, xapi in pools(self.fleet)}
        found = differences(self._snapshots.find(old), self._snapshots.find(new))
        lines = {hosts.get(world, world.seed): counted(changes) for world, changes in found}
        return {"worlds": dict(sorted(lines.items()))}

    def save(self, file: str) -> dict[str, Any]:
        """Write the fleet as it is now to a file in the snapshot folder; everything else waits meanwhile."""
        return {"file": str(self._snapshots.save(file))}

    def load(self, file: str, name: str) -> dict[str, Any]:
        """Make a snapshot from a file in the snapshot folder."""
        return _snapshot_line(self._snapshots.load(file, name, self.time.date()))

    # ---- faults -----------------------------------------------------------------------------------------------------------

    def faults(self) -> dict[str, Any]:
        """The rules in force, with how often each was checked and struck, and how many calls it holds now."""
        return {"faults": [fault_line(known) for known in self.fleet.faults.in_force()]}

    def fault(self, handle: int) -> dict[str, Any]:
        """One rule in force."""
        return fault_line(self._in_force(handle))

    def add_fault(self, rule: Rule | Mapping[str, Any]) -> dict[str, Any]:
        """Put a rule in force."""
        try:
            handle = self.fleet.faults.add(rule if isinstance(rule, Rule) else rule_from(rule))
        except BadRule as refusal:
            raise Refused(str(refusal)) from refusal
        return self.fault(handle)

    def remove_fault(self, handle: int) -> None:
        """Remove a rule, and release the calls that it holds."""
        self.fleet.faults.remove(self._in_force(handle).handle)

    def release_fault(self, handle: int) -> dict[str, Any]:
        """Release the calls that a rule holds now, not later ones."""
        self._in_force(handle)
        return {"released": self.fleet.faults.release(handle)}

    def clear_faults(self) -> None:
        """Remove all rules."""
        self.fleet.faults.clear()

    def vocabulary(self) -> dict[str, Any]:
        """The vocabulary of rules: effects, phases, FIST points."""
        return {"effects": list(EFFECTS), "phases": list(phases()), "fist_points": list(FIST_POINTS)}

    def _in_force(self, handle: int) -> InForce:
        found = next((known for known in self.fleet.faults.in_force() if known.handle == handle), None)
        if found is None:
            handles = ", ".join(str(known.handle) for known in self.fleet.faults.in_force())
            raise nothing_called("rule", str(handle), (handles,) if handles else ())
        return found

    # ---- traffic ----------------------------------------------------------------------------------------------------------

    def calls(self, after: int = 0, limit: int = 100, message: str = "*", host: str = "*", outcome: str = "*") -> dict[str, Any]:
        """The calls after a number, oldest first: the last ``limit`` of those that match."""
        seen = self.traffic.since(after)
        globs = (message, host, outcome)
        matching = [call for call in seen if all(map(fnmatchcase, (call.message, call.host, call.outcome), globs))]
        return {"calls": [self.call_line(call) for call in matching[-limit:]], "last": self.traffic.number}

    def call_line(self, call: Seen) -> dict[str, Any]:
        """One call as plain values."""
        return {
            "number": call.number,
            "date": self.time.date_at(call.ended_s),
            "host": call.host,
            "message": call.message,
            "outcome": call.outcome,
            "took_s": round(call.took_s, 6),
            "real_s": round(call.real_s, 6),
        }

    def counters(self) -> dict[str, Any]:
        """Calls, errors and latencies by message, since the beginning or the last reset."""
        counts = self.traffic.counts
        return {
            "calls": sum(count.calls for count in counts.values()),
            "errors": sum(count.errors for count in counts.values()),
            "under_way": self.traffic.under_way,
            "messages": {message: _count_line(count) for message, count in sorted(counts.items())},
        }

    def reset_counters(self) -> None:
        """Reset all counters."""
        self.traffic.reset()


def known_messages() -> frozenset[str]:
    """The names of all messages and transfers."""
    named = (message.wire_name for cls in datamodel().classes.values() for message in cls.messages)
    return frozenset((*named, *(action.name for action in datamodel().http_actions)))


def fault_line(known: InForce) -> dict[str, Any]:
    """A rule in force as plain values."""
    return {"handle": known.handle, "seen": known.seen, "hits": known.hits, "held": known.held, "rule": plain_rule(known.rule)}


def _snapshot_line(snapshot: Snapshot) -> dict[str, Any]:
    return {"name": snapshot.name, "date": snapshot.date, "worlds": len(snapshot.pools)}


def _count_line(count: Count) -> dict[str, Any]:
    errors = {outcome: number for outcome, number in sorted(count.outcomes.items()) if outcome != SUCCESS}
    return {"calls": count.calls, "errors": errors, "latency_s": {name: round(value, 6) for name, value in latencies_of(count).items()}}
