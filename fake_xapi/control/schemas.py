"""JSON schemas of the control plane's requests and answers: requests are validated, tests check answers, and all are published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.control.hosts import STATES
from fake_xapi.faults.effects import EFFECTS

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
DATE: Schema = {"type": "string", "pattern": "^[0-9]{8}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def table(values: Schema) -> Schema:
    """An object with arbitrary names."""
    return {"type": "object", "additionalProperties": values}


def ref(name: str) -> Schema:
    """A schema that is published under its name."""
    return {"$ref": f"#/components/schemas/{name}"}


_HOST: Mapping[str, Schema] = {
    "name": NAME,
    "uuid": TEXT,
    "url": TEXT,
    "state": {"enum": list(STATES)},
    "release": TEXT,
    "name_label": TEXT,
    "is_master": FLAG,
    "vms_running": COUNT,
    "vms_resting": COUNT,
    "tasks": COUNT,
    "faults": COUNT,
}
_VM = record(
    {"ref": TEXT, "uuid": TEXT, "name_label": TEXT, "power_state": TEXT, "memory_bytes": COUNT, "vcpus": COUNT, "operations": array(TEXT)}
)
_SR = record({"uuid": TEXT, "name_label": TEXT, "type": TEXT, "size_bytes": NUMBER, "used_bytes": NUMBER, "disks": COUNT})
_TASK = record({"ref": TEXT, "name_label": TEXT, "progress": NUMBER, "created": DATE})
_RULE_OPTIONS: Mapping[str, Schema] = {
    "host": {**TEXT, "description": "A glob over the names of hosts; all of them by default."},
    "message": {**TEXT, "description": "A glob over messages (VM.*) and transfers (put_import_raw_vdi)."},
    "subject": {**TEXT, "description": "A glob over refs, uuids and name_labels of what a call names."},
    "at": {**TEXT, "description": "A glob over phases of operations, as the profiles of durations name them."},
    "nth": {**COUNT, "description": "Only the nth call that matches; 0: each."},
    "count": {**COUNT, "description": "No more than so many in all; 0: no bound."},
    "probability": {"type": "number", "minimum": 0, "maximum": 1},
    "stream": {**TEXT, "description": "Rules of the same stream draw from the same chance."},
}
_CALL = record({"number": COUNT, "date": DATE, "host": TEXT, "message": TEXT, "outcome": TEXT, "took_s": NUMBER, "real_s": NUMBER})
_LATENCY = record({"mean": NUMBER, "p50": NUMBER, "p95": NUMBER, "p99": NUMBER})
_MESSAGE = record({"calls": COUNT, "errors": table(COUNT), "latency_s": _LATENCY})
_CLOCK: Mapping[str, Schema] = {"date": DATE, "time_s": NUMBER, "is_paced": FLAG, "is_paused": FLAG, "speed": NUMBER}
_EXTENT = {"oneOf": [{"type": "null"}, record({"most": COUNT, "kept": COUNT, "oldest": COUNT})]}
_CHANGE = record(
    {"class": TEXT, "ref": TEXT, "name_label": TEXT, "kind": {"enum": ["added", "changed", "removed"]}, "fields": table(array({}))}
)
_COUNTS = table(table(COUNT))

_EFFECT_ORDER: Schema = {
    "type": "object",
    "properties": {"kind": TEXT, "seconds": NUMBER, "fraction": NUMBER, "code": TEXT, "params": array(TEXT)},
    "required": ["kind"],
    "description": f"kind: {', '.join(EFFECTS)}; what is none of them, or does not belong to it, is refused with what it may have meant.",
}

SCHEMAS: Mapping[str, Schema] = {
    "Host": record(_HOST),
    "HostDetail": record({**_HOST, "date": DATE, "vms": array(_VM), "storage": array(_SR), "tasks_under_way": array(_TASK)}),
    "Hosts": record({"hosts": array(ref("Host")), "next": TEXT, "total": COUNT}),
    "Alive": record({"alive": FLAG}),
    "World": record(
        {
            "host": NAME,
            "generation": COUNT,
            "seed": TEXT,
            "release": TEXT,
            "era": TEXT,
            "objects": table(COUNT),
            "disks": COUNT,
            "journal": _EXTENT,
        }
    ),
    "Objects": record({"objects": array(record({"ref": TEXT, "record": table({})})), "next": COUNT}),
    "JournalOrder": record({"entries": {"type": "integer", "minimum": 0, "maximum": 100_000}}, {"hosts": NAME}),
    "JournalKept": record({"worlds": COUNT, "most": COUNT}),
    "Journal": record(
        {
            "most": COUNT,
            "kept": COUNT,
            "entries": array(record({"generation": COUNT, "date": DATE, "cause": TEXT, "touched": array(TEXT)})),
        }
    ),
    "Rewind": record({"generation": COUNT}),
    "Diff": record({"counts": _COUNTS, "changes": array(_CHANGE), "total": COUNT}),
    "Snapshot": record({"name": NAME, "date": DATE, "worlds": COUNT}),
    "Snapshots": record({"snapshots": array(ref("Snapshot"))}),
    "SnapshotOrder": record({"name": NAME}),
    "SnapshotDiff": record({"worlds": table(_COUNTS)}),
    "FileOrder": record({"file": NAME}),
    "LoadOrder": record({"file": NAME, "name": NAME}),
    "File": record({"file": TEXT}),
    "Effect": record({"kind": {"enum": list(EFFECTS)}}, {"seconds": NUMBER, "fraction": NUMBER, "code": TEXT, "params": array(TEXT)}),
    "Rule": record({"effect": ref("Effect")}, _RULE_OPTIONS),
    "RuleOrder": {
        "type": "object",
        "properties": {"effect": _EFFECT_ORDER, "fist": {**NAME, "description": "XAPI's own name of a fault."}, **_RULE_OPTIONS},
        "anyOf": [{"required": ["effect"]}, {"required": ["fist"]}],
    },
    "Fault": record({"handle": COUNT, "seen": COUNT, "hits": COUNT, "held": COUNT, "rule": ref("Rule")}),
    "Faults": record({"faults": array(ref("Fault"))}),
    "Released": record({"released": COUNT}),
    "Vocabulary": record({"effects": array(TEXT), "phases": array(TEXT), "fist_points": array(TEXT)}),
    "Clock": record(_CLOCK),
    "Pace": {
        **record({}, {"speed": {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}, "paused": FLAG}),
        "minProperties": 1,
    },
    "Steps": record({}, {"count": {"type": "integer", "minimum": 1, "maximum": 10_000}}),
    "Jump": record({"seconds": {"type": "number", "minimum": 0}}),
    "Passed": record({**_CLOCK, "passed_s": NUMBER}),
    "Counters": record({"calls": COUNT, "errors": COUNT, "under_way": COUNT, "messages": table(_MESSAGE)}),
    "Calls": record({"calls": array(_CALL), "last": COUNT}),
    "Error": record({"error": record({"status": COUNT, "code": TEXT, "message": TEXT})}),
}
"""Every schema that has a name."""
