"""Generates the package's compact data file from a full dump of XenAPI's datamodel.

Run ``python -m fake_xapi.datamodel.distil DUMP.json fake_xapi/datamodel/xenapi.json`` when a newer dump is at hand. Only facts
are kept (names, types, qualifiers, defaults, releases, roles, errors with their parameter names); whatever the fields imply is
left out and derived again by ``derive``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = Any
CLASS_FLAGS = ("in_database", "gen_events", "persistent", "default_create_destroy", "get_all_exposed", "creates_task_record")


def distil(dump: Json) -> Json:
    """The compact form of a dump, as plain JSON values."""
    return {
        "releases": [[r["code_name"] or "", r["api"], r["branding"]] for r in dump["releases"]]
        + [[code, dump["meta"]["api_version"], ""] for code in dump["numbered_releases"]],
        "role_sets": dump["role_sets"],
        "roles": [[r["name_label"], r["uuid"], r["is_internal"]] for r in dump["roles"]],
        "enums": dump["enums"],
        "errors": dump["errors"],
        "declared_errors": _declared_errors(dump),
        "relations": [[r["from_class"], r["from_field"], r["to_class"], r["to_field"]] for r in dump["relations"]],
        "emergency_calls": dump["emergency_calls"],
        "slave_whitelist": dump["slave_whitelist"],
        "alert_messages": [[m["name"], m["priority"]] for m in dump["alert_messages"]],
        "http_actions": [_http_action(action) for action in dump["http_actions"]],
        "classes": {name: _class(cls) for name, cls in dump["classes"].items()},
        "historical": {code: _historical(model) for code, model in dump["historical_models"].items()},
    }


def _declared_errors(dump: Json) -> Json:
    """What messages declare that they may be refused with: few do."""
    messages = [(name, message) for name, cls in dump["classes"].items() for message in cls["messages"]]
    return {f"{name}.{message['name']}": message["errors"] for name, message in messages if message.get("errors")}


def _http_action(action: Json) -> Json:
    row = [action["name"], action["method"], action["uri"], action["roles"] or "", action.get("rbac_checked", True)]
    return [*row, action["sub_actions"]] if action.get("sub_actions") else row


def _class(cls: Json) -> Json:
    return {
        "release": cls["release"],
        "flags": [flag for flag in CLASS_FLAGS if cls[flag]],
        "roles": cls["roles"] or "",
        "implicit_roles": cls["implicit_roles"] or "",
        "fields": [_field(field) for field in cls["fields"]],
        "messages": [_message(message) for message in cls["messages"] if message["kind"] == "custom"],
    }


def _field(field: Json) -> Json:
    extras = {key: field[key] for key in ("default", "db_column", "map_keys_roles") if key in field}
    extras |= {flag: True for flag in ("required_in_create", "internal_only") if field.get(flag)}
    if field.get("persistent") is False:
        extras["volatile"] = True
    roles = [field["reader_roles"] or "", field["writer_roles"] or ""]
    row = [field["name"], field["type"], field["qualifier"], field["release"], *roles]
    return [*row, extras] if extras else row


def _message(message: Json) -> Json:
    flags = [flag for flag in ("async", "hidden", "pool_internal") if message.get(flag)]
    flags += [] if message["session"] else ["no_session"]
    flags += ["removed"] if message.get("lifecycle", {}).get("state") == "removed" else []
    params = [_param(param, is_optional=index >= message["min_params"]) for index, param in enumerate(message["params"])]
    row = [message["name"], params, message["result"], message["release"], message["roles"] or "", flags]
    return [*row, message["map_keys_roles"]] if "map_keys_roles" in message else row


def _param(param: Json, *, is_optional: bool) -> Json:
    row = [param["name"], param["type"], param.get("release", "")]
    return [*row, param.get("default")] if is_optional or "default" in param else row


def _historical(model: Json) -> Json:
    return {
        "enums": model["enums"],
        "errors": model["errors"],
        "classes": {name: _historical_class(cls) for name, cls in model["classes"].items()},
    }


def _historical_class(cls: Json) -> Json:
    return {
        "flags": [flag for flag in ("get_all_exposed", "default_create_destroy") if cls[flag]],
        "fields": [[name, field["qualifier"]] for name, field in cls["fields"].items()],
        "messages": [
            [name, [[p["name"], p["type"], bool(p.get("optional"))] for p in m["params"]], m["result"],
             [flag for flag in ("async", "hidden") if m.get(flag)]]
            for name, m in cls["messages"].items()
        ],
    }  # fmt: skip


def lines(compact: Json) -> Iterator[str]:
    """The text of the data file: JSON with one line per field, message or error, so that changes are easy to read."""
    yield from _members(compact, indent="")


def _members(value: Json, indent: str) -> Iterator[str]:
    if not isinstance(value, dict | list) or not value or _is_leaf(value):
        yield indent + json.dumps(value, ensure_ascii=False)
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield indent + opening
    items = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
    for index, (key, item) in enumerate(items):
        inner = list(_members(item, indent + " "))
        if key is not None:
            inner[0] = f"{indent} {json.dumps(key)}: {inner[0].lstrip()}"
        inner[-1] += "," if index < len(items) - 1 else ""
        yield from inner
    yield indent + closing


def _is_leaf(value: Json) -> bool:
    """Whether a value reads best on one line: a row that begins with a name, or a container of plain texts."""
    if isinstance(value, list):
        return not isinstance(value[0], list)
    return all(not isinstance(item, dict | list) for item in value.values())


def main(arguments: list[str]) -> None:
    """Read the dump named first, write the data file named second."""
    source, target = arguments
    compact = distil(json.loads(Path(source).read_text(encoding="utf-8")))
    Path(target).write_text("\n".join(lines(compact)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
