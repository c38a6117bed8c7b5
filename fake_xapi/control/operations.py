"""Every operation of the control plane as one table: path, function, input, output.

The routes, the validation of requests, the OpenAPI document and the client's calls follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_xapi.control.hosts import STATES
from fake_xapi.control.schemas import COUNT, NAME, TEXT, Schema
from fake_xapi.control.simulation import NOW, Simulation

Answer = Any
"""A plain value, None, or an awaitable of one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A validated request: its path, query and body."""

    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``takes`` and ``answers`` are names of schemas, "" for none; ``query`` has those of its parameters, with defaults."""

    name: str
    method: str
    path: str
    summary: str
    act: Callable[[Simulation, Asked], Answer]
    answers: str = ""
    takes: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    refusals: tuple[int, ...] = ()


LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
GLOB: Schema = {**TEXT, "default": "*"}
MOMENT: Schema = {**NAME, "default": NOW}
HANDLE = "handle"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "hosts", "GET", "/hosts", "Hosts, in the order of their names, a page at a time",
        lambda simulation, asked: simulation.hosts(**asked.query), "Hosts",
        query={"name": GLOB, "state": {"enum": ["", *STATES], "default": ""}, "after": {**TEXT, "default": ""}, "limit": LIMIT},
    ),
    Operation(
        "host", "GET", "/hosts/{host}", "One host with its VMs, storage and tasks",
        lambda simulation, asked: simulation.host(asked.path["host"]), "HostDetail", refusals=(404,),
    ),
    Operation(
        "set_alive", "PUT", "/hosts/{host}/alive", "Let a host die, or live again",
        lambda simulation, asked: simulation.set_alive(asked.path["host"], alive=asked.body["alive"]), "Host", "Alive", refusals=(404, 409),
    ),
    Operation(
        "fork_host", "POST", "/hosts/{host}/fork", "A host more, which begins where a stand-alone host is now",
        lambda simulation, asked: simulation.fork_host(asked.path["host"]), "Host", status=201, refusals=(404, 409),
    ),
    Operation(
        "world", "GET", "/worlds/{host}", "How large the world of a host is, and how far back it is known",
        lambda simulation, asked: simulation.world(asked.path["host"]), "World", refusals=(404,),
    ),
    Operation(
        "objects", "GET", "/worlds/{host}/objects/{cls}", "Records of a class, oldest first, a page at a time",
        lambda simulation, asked: simulation.objects(asked.path["host"], asked.path["cls"], **asked.query), "Objects",
        query={"after": {**COUNT, "default": 0}, "limit": LIMIT}, refusals=(404,),
    ),
    Operation(
        "keep_journals", "PUT", "/journal", "Keep so many generations of worlds from now on; 0: none",
        lambda simulation, asked: simulation.keep_journals(asked.body.get("hosts", "*"), asked.body["entries"]),
        "JournalKept", "JournalOrder", refusals=(404,),
    ),
    Operation(
        "journal", "GET", "/worlds/{host}/journal", "The generations of a world that are kept, newest first",
        lambda simulation, asked: simulation.journal(asked.path["host"], asked.query["before"] or None, asked.query["limit"]), "Journal",
        query={"before": {**COUNT, "default": 0}, "limit": LIMIT}, refusals=(404, 409),
    ),
    Operation(
        "rewind", "POST", "/worlds/{host}/rewind", "Let a world be again what it was in a generation of its journal",
        lambda simulation, asked: simulation.rewind(asked.path["host"], asked.body["generation"]), "World", "Rewind", refusals=(404, 409),
    ),
    Operation(
        "diff_world", "GET", "/worlds/{host}/diff", "What differs in a world between two moments: snapshots, generations, or now",
        lambda simulation, asked: simulation.diff_world(asked.path["host"], **asked.query), "Diff",
        query={"old": NAME, "new": MOMENT, "limit": LIMIT}, refusals=(404, 409),
    ),
    Operation(
        "snapshots", "GET", "/snapshots", "The snapshots of the whole fleet",
        lambda simulation, _: simulation.snapshots(), "Snapshots",
    ),
    Operation(
        "take_snapshot", "POST", "/snapshots", "Remember every world and disk as it is now, at no cost",
        lambda simulation, asked: simulation.take_snapshot(**asked.body), "Snapshot", "SnapshotOrder", status=201, refusals=(409,),
    ),
    Operation(
        "diff_snapshots", "GET", "/snapshots/diff", "How many objects differ in every world between two snapshots, or one and now",
        lambda simulation, asked: simulation.diff_snapshots(**asked.query), "SnapshotDiff",
        query={"old": NAME, "new": MOMENT}, refusals=(404,),
    ),
    Operation(
        "remove_snapshot", "DELETE", "/snapshots/{snapshot}", "Forget a snapshot",
        lambda simulation, asked: simulation.remove_snapshot(asked.path["snapshot"]), status=204, refusals=(404,),
    ),
    Operation(
        "restore_snapshot", "POST", "/snapshots/{snapshot}/restore", "Let every world be again what it was",
        lambda simulation, asked: simulation.restore_snapshot(asked.path["snapshot"]), "Snapshot", refusals=(404, 409),
    ),
    Operation(
        "save", "POST", "/save", "Write the fleet as it is now to a file in the snapshot folder",
        lambda simulation, asked: simulation.save(**asked.body), "File", "FileOrder", status=201, refusals=(409,),
    ),
    Operation(
        "load", "POST", "/load", "Make a snapshot of a file in the snapshot folder",
        lambda simulation, asked: simulation.load(**asked.body), "Snapshot", "LoadOrder", status=201, refusals=(404, 409),
    ),
    Operation("faults", "GET", "/faults", "The rules in force, with their counts", lambda simulation, _: simulation.faults(), "Faults"),
    Operation(
        "add_fault", "POST", "/faults", "Put a rule in force",
        lambda simulation, asked: simulation.add_fault(asked.body), "Fault", "RuleOrder", status=201,
    ),
    Operation("clear_faults", "DELETE", "/faults", "Remove all rules", lambda simulation, _: simulation.clear_faults(), status=204),
    Operation(
        "vocabulary", "GET", "/faults/vocabulary", "What a rule may say: effects, phases, FIST points",
        lambda simulation, _: simulation.vocabulary(), "Vocabulary",
    ),
    Operation(
        "fault", "GET", "/faults/{handle}", "One rule in force",
        lambda simulation, asked: simulation.fault(int(asked.path[HANDLE])), "Fault", refusals=(404,),
    ),
    Operation(
        "remove_fault", "DELETE", "/faults/{handle}", "Take a rule out of force, and let go what it holds",
        lambda simulation, asked: simulation.remove_fault(int(asked.path[HANDLE])), status=204, refusals=(404,),
    ),
    Operation(
        "release_fault", "POST", "/faults/{handle}/release", "Let go what a rule holds now; later calls it holds again",
        lambda simulation, asked: simulation.release_fault(int(asked.path[HANDLE])), "Released", refusals=(404,),
    ),
    Operation("clock", "GET", "/clock", "What date it is, and how fast time passes", lambda simulation, _: simulation.time.told(), "Clock"),
    Operation(
        "set_pace", "PATCH", "/clock", "Change the speed, let the time stand still or go on",
        lambda simulation, asked: simulation.time.set_pace(**asked.body), "Clock", "Pace", refusals=(409,),
    ),
    Operation(
        "step", "POST", "/clock/step", "Go to the next timer and let it fire",
        lambda simulation, asked: simulation.time.step(**asked.body), "Passed", "Steps", refusals=(409,),
    ),
    Operation(
        "jump", "POST", "/clock/jump", "Let so much time pass at once; what would have happened happens",
        lambda simulation, asked: simulation.time.jump(**asked.body), "Passed", "Jump", refusals=(409,),
    ),
    Operation(
        "counters", "GET", "/counters", "Calls, errors and latencies by message",
        lambda simulation, _: simulation.counters(), "Counters",
    ),
    Operation(
        "reset_counters", "DELETE", "/counters", "Count from nothing again",
        lambda simulation, _: simulation.reset_counters(), status=204,
    ),
    Operation(
        "calls", "GET", "/calls", "The last calls that match, oldest first",
        lambda simulation, asked: simulation.calls(**asked.query), "Calls",
        query={"after": {**COUNT, "default": 0}, "limit": LIMIT, "message": GLOB, "host": GLOB, "outcome": GLOB},
    ),
)  # fmt: skip
