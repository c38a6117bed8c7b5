"""What a recording tells of the objects of a server: the records of every class, as they were last seen.

Refs are the server's own. May not know worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.faults.names import message_name
from fake_xapi.replay.recording import Call

Records = dict[str, dict[str, Any]]
"""By ref."""


@dataclass(slots=True)
class Inventory:
    """Objects by class and ref; ``asked`` are the classes of which all records were read."""

    classes: dict[str, Records] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def of(self, cls: str) -> Records:
        """The records of a class, none when it was not seen."""
        return self.classes.get(cls, {})

    def count(self) -> int:
        """How many objects there are."""
        return sum(map(len, self.classes.values()))

    def put(self, cls: str, ref: str, record: Any) -> None:
        """Know an object as it is now. What is no record is passed over."""
        if isinstance(record, dict):
            self.classes.setdefault(cls, {})[ref] = record

    def drop(self, cls: str, ref: str) -> None:
        """Know that an object is gone."""
        self.of(cls).pop(ref, None)


def inventory(calls: Iterable[Call]) -> Inventory:
    """The objects that calls tell of, in the order in which these ended."""
    found = Inventory()
    for call in calls:
        if call.is_answered:
            cls, _, verb = message_name(call.method).partition(".")
            read = _READERS.get(verb) if not call.method.startswith("Async.") else None
            if read is not None:
                read(found, cls, call)
    return found


def _all_records(found: Inventory, cls: str, call: Call) -> None:
    """Every object of the class, and no other any more."""
    if isinstance(call.result, dict):
        found.classes[cls] = {}
        found.asked.add(cls)
        _some_records(found, cls, call)


def _some_records(found: Inventory, cls: str, call: Call) -> None:
    if isinstance(call.result, dict):
        for ref, record in call.result.items():
            found.put(cls, ref, record)


def _one_record(found: Inventory, cls: str, call: Call) -> None:
    if call.params and isinstance(call.params[0], str):
        found.put(cls, call.params[0], call.result)


def _events(found: Inventory, _cls: str, call: Call) -> None:
    """What events say: ``event.from`` answers a struct of them, ``event.next`` a list."""
    events = call.result.get("events", []) if isinstance(call.result, dict) else call.result
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            _event(found, event)


def _event(found: Inventory, event: Mapping[str, Any]) -> None:
    cls, ref = _class_called(str(event.get("class", ""))), str(event.get("ref", ""))
    if event.get("operation") == "del":
        found.drop(cls, ref)
    elif "snapshot" in event:
        found.put(cls, ref, event["snapshot"])


def _class_called(name: str) -> str:
    """Events name classes in lower case."""
    return next((cls for cls in datamodel().classes if cls.lower() == name.lower()), name)


_READERS: Mapping[str, Callable[[Inventory, str, Call], None]] = {
    "get_all_records": _all_records,
    "get_all_records_where": _some_records,
    "get_record": _one_record,
    "from": _events,
    "next": _events,
}
