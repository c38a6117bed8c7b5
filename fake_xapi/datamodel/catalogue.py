"""Reads the data file into the values of ``model``.

May not know which release a simulated host pretends to be: that is up to ``personality``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from fake_xapi.datamodel.derive import ClassFacts, implied_messages
from fake_xapi.datamodel.model import (
    ClassModel,
    Datamodel,
    Field,
    HistoricalModel,
    HttpAction,
    Message,
    Parameter,
    Relation,
    Release,
    Role,
)
from fake_xapi.datamodel.types import NULL_REF, Type, parse_type, zero

Json = Any
DEPRECATED_STUBS = frozenset({"SR.make", "VDI.force_unlock"})
"""Messages that still exist but only answer MESSAGE_DEPRECATED."""


@lru_cache(maxsize=1)
def datamodel() -> Datamodel:
    """The whole datamodel, an immutable value that is read only once."""
    text = resources.files("fake_xapi.datamodel").joinpath("xenapi.json").read_text(encoding="utf-8")
    return read(json.loads(text))


def read(data: Json) -> Datamodel:
    """The datamodel in a parsed data file."""
    releases = tuple(_release(index, row) for index, row in enumerate(data["releases"]))
    order = {release.code: release.index for release in releases if release.code}
    reader = _Reader(order, frozenset((row[2], row[3]) for row in data["relations"]))
    return Datamodel(
        classes={name: reader.cls(name, row) for name, row in data["classes"].items()},
        enums=_tuples(data["enums"]),
        errors=_tuples(data["errors"]),
        declared_errors=_tuples(data["declared_errors"]),
        relations=tuple(Relation(*row) for row in data["relations"]),
        releases=releases,
        roles=tuple(Role(*row) for row in data["roles"]),
        role_sets=_tuples(data["role_sets"]),
        emergency_calls=frozenset(data["emergency_calls"]),
        slave_whitelist=frozenset(data["slave_whitelist"]),
        alert_priorities=dict(data["alert_messages"]),
        http_actions=tuple(HttpAction(*row) for row in data["http_actions"]),
        historical={code: reader.historical(code, model) for code, model in data["historical"].items()},
    )


def _tuples(rows: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in rows.items()}


def _release(index: int, row: Json) -> Release:
    code, api, branding = row
    numbered = re.fullmatch(r"(?:XenServer|Citrix Hypervisor) (\d+(?:\.\d+)*)", branding)
    return Release(index, code, numbered[1] if numbered else "", branding, (api[0], api[1]))


class _Reader:
    """Turns rows of the data file into values; knows the order of releases and which fields are mirrors."""

    def __init__(self, order: Mapping[str, int], mirrors: frozenset[tuple[str, str]]) -> None:
        self._order = order
        self._mirrors = mirrors

    def _index(self, release: str) -> int:
        """The position of a release; a ``-next`` version counts as the version that it became."""
        return self._order[release] if release in self._order else self._order.get(release.removesuffix("-next"), len(self._order))

    def cls(self, name: str, row: Json) -> ClassModel:
        release, flags = self._index(row["release"]), frozenset(row["flags"])
        facts = ClassFacts(
            name,
            release,
            "in_database" in flags,
            "get_all_exposed" in flags,
            "default_create_destroy" in flags,
            row["roles"],
            row["implicit_roles"],
        )
        fields = tuple(self._field(field) for field in row["fields"])
        mirrored = frozenset(field for cls, field in self._mirrors if cls == name)
        custom = tuple(self._message(name, message) for message in row["messages"])
        return ClassModel(
            name,
            release,
            fields,
            (*implied_messages(facts, fields, mirrored), *custom),
            facts.is_in_database,
            "gen_events" in flags,
            "persistent" in flags,
            facts.has_default_create_destroy,
            facts.exposes_get_all,
            "creates_task_record" in flags,
            facts.roles,
            facts.implicit_roles,
        )

    def _field(self, row: Json) -> Field:
        name, spelling, qualifier, release, readers, writers, *rest = row
        extras = rest[0] if rest else {}
        kind = parse_type(spelling)
        return Field(
            name,
            kind,
            qualifier,
            self._index(release),
            extras.get("db_column", name),
            _state_value(kind, extras["default"]) if "default" in extras else zero(kind),
            "default" in extras,
            "required_in_create" in extras,
            "volatile" not in extras,
            "internal_only" in extras,
            readers,
            writers,
            extras.get("map_keys_roles", {}),
        )

    def _message(self, cls: str, row: Json) -> Message:
        name, params, result, release, roles, flags, *keys = row
        return Message(
            cls,
            name,
            "custom",
            tuple(self._parameter(param) for param in params),
            parse_type(result),
            self._index(release),
            roles,
            is_async="async" in flags,
            needs_session="no_session" not in flags,
            is_hidden="hidden" in flags,
            is_pool_internal="pool_internal" in flags,
            is_removed="removed" in flags,
            is_deprecated_stub=f"{cls}.{name}" in DEPRECATED_STUBS,
            map_keys_roles=keys[0] if keys else {},
        )

    def _parameter(self, row: Json) -> Parameter:
        name, spelling, release, *default = row
        index = self._index(release) if release else 0
        return Parameter(name, parse_type(spelling), index, bool(default), default[0] if default else None)

    def historical(self, code: str, row: Json) -> HistoricalModel:
        classes = row["classes"]
        return HistoricalModel(
            code,
            {name: tuple((field, qualifier) for field, qualifier in cls["fields"]) for name, cls in classes.items()},
            {name: tuple(self._old_message(code, name, m) for m in cls["messages"]) for name, cls in classes.items()},
            frozenset(name for name, cls in classes.items() if "get_all_exposed" in cls["flags"]),
            frozenset(name for name, cls in classes.items() if "default_create_destroy" in cls["flags"]),
            _tuples(row["enums"]),
            _tuples(row["errors"]),
        )

    def _old_message(self, code: str, cls: str, row: Json) -> Message:
        name, params, result, flags = row
        release = self._index(code)
        return Message(
            cls,
            name,
            "custom",
            tuple(Parameter(param, parse_type(kind), release, optional) for param, kind, optional in params),
            parse_type(result),
            release,
            roles="",
            is_async="async" in flags,
            is_hidden="hidden" in flags,
        )


def _state_value(kind: Type, default: Json) -> object:
    """A default from the data file as a state value: refs are ids, sets are tuples, floats are floats."""
    if kind.is_ref:
        if default != NULL_REF:
            raise ValueError(f"a default that refers to an object: {default!r}")
        return 0
    if kind.kind == "float":
        return float(default)
    return tuple(default) if kind.kind == "set" else default
