"""The audit log: a line for each call with an effect, with its caller and whether it was allowed.

Calls are kept as they were made, and formatted when somebody reads them. Only refs and names of parameters are kept, never a value that
could be a password. One log serves a whole fleet, so that thousands of busy hosts are bounded together; each reads its own world's lines.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.model import Message
from fake_xapi.engine.marshal import Dead
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

MOST_LINES = 100_000
QUIET = frozenset({"pool.audit_log_append", "session.local_logout", "session.logout", "event.next", "event.from", "host.tickle_heartbeat"})
"""Messages that would only fill the log."""
NAMES = frozenset({"name", "label", "description", "name_label", "name_description", "new_name"})
"""Parameters, and fields of records, that are shown as they were given."""
TOLD_BESIDES = frozenset(
    {
        *(("VM.start", name) for name in ("start_paused", "force")),
        *(("VM.start_on", name) for name in ("start_paused", "force")),
        *(("VM.create", name) for name in ("is_a_template", "memory_static_max", "memory_dynamic_max", "memory_dynamic_min")),
        *(("VM.create", name) for name in ("memory_static_min", "ha_always_run", "ha_restart_priority")),
        *((f"{cls}.enable_external_auth", name) for cls in ("pool", "host") for name in ("service_name", "auth_type")),
        ("pool.join", "master_address"),
        ("pool.join_force", "master_address"),
        ("pool.create_VLAN", "device"),
        ("pool.create_VLAN", "VLAN"),
        ("host.set_address", "value"),
        ("subject.create", "subject_identifier"),
        ("message.create", "name"),
        ("message.create", "body"),
    }
)
SECRETIVE = frozenset({"secret", "VTPM"})
"""Classes for whose parameters not even names are shown."""

Argument = tuple[str, str, int | str]
"""A parameter: its name, its value or the name of its object, and the object: its id, or a dangling ref."""


Arguments = tuple[Argument, ...]


class Line(NamedTuple):
    """One recorded call: ``world`` is the pool's, ``who`` the session's id in logs, the user's identifier and the user's name."""

    world: World
    date: str
    host: str
    who: tuple[str, str, str]
    verdict: str
    outcome: str
    kind: str
    action: str
    arguments: Arguments


class AuditLog:
    """The latest lines of many hosts."""

    __slots__ = ("_lines",)

    def __init__(self, most: int = MOST_LINES) -> None:
        self._lines: deque[Line | tuple[World, str]] = deque(maxlen=most)

    def append(self, line: Line) -> None:
        """Append a line."""
        self._lines.append(line)

    def append_text(self, world: World, text: str) -> None:
        """Append a line from another host of the pool."""
        self._lines.append((world, text))

    def lines(self, world: World, since: str = "") -> Iterator[str]:
        """The lines of a pool from a date on, oldest first. ``since`` is ISO 8601 with or without dashes, or its beginning."""
        bound = since.replace("-", "").replace("Z", "")
        for line in list(self._lines):
            if line[0] is world:
                text = _text(line) if isinstance(line, Line) else line[1]
                if text[1:22] >= bound:
                    yield text


@dataclass(frozen=True, slots=True)
class Plan:
    """What to record of a message's parameters: the positions of refs, of values to show, and of a record."""

    action: str
    refs: tuple[tuple[int, str], ...] = ()
    told: tuple[tuple[int, str], ...] = ()
    records: tuple[int, ...] = ()


def plan_of(message: Message) -> Plan | None:
    """How a message is audited; None for one without an effect that matters."""
    if message.name.startswith("get") or message.wire_name in QUIET or not message.needs_session:
        return None
    if message.cls in SECRETIVE:
        return Plan(message.wire_name)
    places = tuple(enumerate(message.params))
    return Plan(
        message.wire_name,
        tuple((place, param.name) for place, param in places if param.type.is_ref),
        tuple((place, param.name) for place, param in places if not param.type.is_ref and _is_told(message.wire_name, param.name)),
        tuple(place for place, param in places if param.type.kind == "record"),
    )


def _is_told(action: str, name: str) -> bool:
    return name in NAMES or (action, name) in TOLD_BESIDES


def arguments_of(world: World, plan: Plan, values: Sequence[Any]) -> Arguments:
    """The arguments to record, looked up before the call may destroy their objects."""
    found = [_object(world, name, values[place]) for place, name in plan.refs]
    found += [_as_given(name, values[place]) for place, name in plan.told]
    for place in plan.records:
        found += [_as_given(name, value) for name, value in values[place].items() if _is_told(plan.action, name)]
    return tuple(found)


def note(xapi: Xapi, who: tuple[str, str, str], action: str, arguments: Arguments, failure: Failure | None = None) -> None:
    """Record a call that has ended; ``action`` is a message, or an HTTP action with its prefix."""
    is_denied = failure is not None and failure.code == "RBAC_PERMISSION_DENIED"
    outcome = "OK" if failure is None else "" if is_denied else f"ERROR:{failure.code}: [ {'; '.join(map(str, failure.params))} ]"
    verdict, kind = "DENIED" if is_denied else "ALLOWED", "HTTP" if action.startswith("http/") else "API"
    host = xapi.world.get(xapi.host)
    hostname = host["hostname"] if host is not None else ""
    xapi.audit.append(Line(xapi.world, xapi.now(), hostname, who, verdict, outcome, kind, action, arguments))


def track_id(ref: str) -> str:
    """A session's id in logs, which is no use for logging in."""
    return "trackid=" + hashlib.md5(ref.encode(), usedforsecurity=False).hexdigest()


def _as_given(name: str, value: Any) -> Argument:
    return (name, str(value).lower() if isinstance(value, bool) else str(value), "")


def _object(world: World, param: str, identity: Id) -> Argument:
    if isinstance(identity, Dead):
        return (param, "", identity.ref)
    row = world.get(identity) if identity else None
    index = row.layout.name_index if row is not None else -1
    return (param, row.values[index] if row is not None and index >= 0 else "", identity)


def _text(line: Line) -> str:
    words = (*line.who, line.verdict, line.outcome, line.kind, line.action)
    arguments = " ".join(f"({_quoted(_argument(line.world, argument))})" for argument in line.arguments)
    return f"[{line.date.removesuffix('Z')}.000Z|info|{line.host}|0|audit] ({_quoted(words)} ({arguments}))"


def _argument(world: World, argument: Argument) -> tuple[str, str, str, str]:
    name, told, identity = argument
    if isinstance(identity, str):
        return (name, told, "", identity)
    return (name, told, world.uuid(identity) if identity else "", world.ref(identity))


def _quoted(words: Sequence[str]) -> str:
    return " ".join("'" + word.translate(_ESCAPES) + "'" for word in words)


_ESCAPES = {**dict.fromkeys((*range(32), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029), " "), **str.maketrans({"'": "\\'", "\\": "\\\\"})}
"""Callers can neither begin a new line nor send control characters to the reader's terminal."""
