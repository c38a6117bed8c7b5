"""Which values of records are integers. XML-RPC writes XenAPI's 64-bit integers as texts; here they become integers again.

Names the sizes and numbers that anybody here reads; the rest stay as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

INTEGER_FIELDS = frozenset(
    {
        "MTU",
        "VCPUs_at_startup",
        "VCPUs_max",
        "domid",
        "memory_dynamic_max",
        "memory_dynamic_min",
        "memory_free",
        "memory_overhead",
        "memory_static_max",
        "memory_static_min",
        "memory_target",
        "memory_total",
        "physical_size",
        "physical_utilisation",
        "virtual_allocation",
        "virtual_size",
    }
)
"""Across all classes: a name that is an integer in one is an integer in each."""


def normalised(method: str, value: Any) -> Any:
    """The answer of ``method`` with its integers as integers; new dicts where anything changes."""
    name = method.partition(".")[2]
    if name.removeprefix("get_") in INTEGER_FIELDS and isinstance(value, str):
        return int(value)
    return _SHAPES.get(name, _as_it_is)(value)


def _as_it_is(value: Any) -> Any:
    return value


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: int(record[name]) for name in INTEGER_FIELDS & record.keys() if isinstance(record[name], str)}
    return {**record, **texts}


def _records(records: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {ref: _record(record) for ref, record in records.items()}


def _batch(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {**batch, "events": [_event(event) for event in batch["events"]]}


def _event(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**event, "snapshot": _record(event["snapshot"])} if event.get("snapshot") else event


_SHAPES: Mapping[str, Callable[[Any], Any]] = {
    "get_record": _record,
    "get_all_records": _records,
    "get_all_records_where": _records,
    "from": _batch,
}
