"""A client's own copy of the database, kept from events alone, as Xen Orchestra keeps its own."""

from __future__ import annotations

from typing import Any

Answer = dict[str, Any]


class EventCache:
    """Records by class and ref. ``follow`` takes what ``event.from`` answered to ``token``."""

    def __init__(self) -> None:
        self.token = ""
        self.tables: dict[str, dict[str, Any]] = {}

    def follow(self, answer: Answer) -> None:
        """Apply the events of an answer and go on from its token."""
        for event in answer["events"]:
            table = self.tables.setdefault(event["class"], {})
            if event["operation"] == "del":
                table.pop(event["ref"], None)
            else:
                table[event["ref"]] = event["snapshot"]
        self.token = answer["token"]

    def differences(self, cls: str, records: dict[str, Any]) -> list[str]:
        """What of a class is other here than the server says: refs, with the fields that differ."""
        mine = self.tables.get(cls.lower(), {})
        lost = [f"{ref} is unknown" for ref in records.keys() - mine.keys()]
        kept = [f"{ref} is gone" for ref in mine.keys() - records.keys()]
        other = [
            f"{ref}.{field}: {mine[ref].get(field)!r} is {value!r}"
            for ref, record in records.items()
            if ref in mine
            for field, value in record.items()
            if mine[ref].get(field) != value
        ]
        return sorted(lost + kept + other)
