"""Security groups, each one document with its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, delete, select, update

from compute_core.model.errors import Conflict, NotFound, OverQuota
from compute_core.model.limits import MOST_RULES
from compute_core.model.networks import DEFAULT_GROUP, Rule, SecurityGroup
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import port_groups, security_groups

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SecurityGroup)
_S = security_groups.c
_KEYS: BindParameter[Sequence[str]] = bindparam("keys", expanding=True)
_GET = select(_S.document).where(_S.id == bindparam("key"))
_GET_TO_CHANGE = _GET.with_for_update()
_AMONG = select(_S.document).where(_S.id.in_(_KEYS)).order_by(_S.id)
_INSERT = insert_or_skip(security_groups, "id")
_NAMED = select(_S.document).where(_S.project_id == bindparam("project"), _S.name == bindparam("label")).order_by(_S.id)


def add(connection: Connection, group: SecurityGroup) -> SecurityGroup:
    """A new group; one that is there already under this id stays as it is. The group."""
    row = {"id": group.id, "project_id": group.project_id, "name": group.name, "document": _encoder.encode(group).decode()}
    connection.execute(of(connection, _INSERT), [row])
    return get(connection, group.id)


def get(connection: Connection, group_id: str) -> SecurityGroup:
    """One group. NotFound."""
    document = connection.scalar(_GET, {"key": group_id})
    if document is None:
        raise NotFound(f"Security group {group_id} does not exist")
    return _decoder.decode(document)


def among(connection: Connection, group_ids: Iterable[str]) -> tuple[SecurityGroup, ...]:
    """Those that are there."""
    return tuple(_decoder.decode(row.document) for row in connection.execute(_AMONG, {"keys": sorted(group_ids)}))


def named(connection: Connection, project_id: str, name: str) -> tuple[SecurityGroup, ...]:
    """A project's groups of a name."""
    return tuple(_decoder.decode(row.document) for row in connection.execute(_NAMED, {"project": project_id, "label": name}))


def listed(connection: Connection, project_id: str | None = None) -> tuple[SecurityGroup, ...]:
    """A project's groups, or everybody's, by name."""
    wanted = select(_S.document).order_by(_S.name, _S.id)
    mine = wanted if project_id is None else wanted.where(_S.project_id == project_id)
    return tuple(_decoder.decode(row.document) for row in connection.execute(mine))


def change(connection: Connection, group_id: str, now: str, changes: Mapping[str, Any]) -> SecurityGroup:
    """Give a group another name or description."""
    return _put(connection, replace(_to_change(connection, group_id), **changes), now)


def add_rule(connection: Connection, group_id: str, rule: Rule, now: str) -> SecurityGroup:
    """Add a rule. Conflict: it is there. OverQuota."""
    group = _to_change(connection, group_id)
    for other in group.rules:
        if replace(other, id="", description="", created_at="") == replace(rule, id="", description="", created_at=""):
            raise Conflict(f"Security group rule already exists. Rule id is {other.id}.")
    if len(group.rules) >= MOST_RULES:
        raise OverQuota("Quota exceeded for resources: ['security_group_rule'].")
    return _put(connection, replace(group, rules=(*group.rules, rule)), now)


def remove_rule(connection: Connection, rule_id: str, now: str, project_id: str | None) -> SecurityGroup:
    """Remove a rule of a project (None: of any). NotFound."""
    for group in listed(connection, project_id):
        if any(rule.id == rule_id for rule in group.rules):
            there = _to_change(connection, group.id)
            return _put(connection, replace(there, rules=tuple(rule for rule in there.rules if rule.id != rule_id)), now)
    raise NotFound(f"Security group rule {rule_id} does not exist")


def remove(connection: Connection, group_id: str) -> None:
    """Delete a group, and the rules of others that name it. Conflict: ports are in it, or it is a project's default one."""
    group = _to_change(connection, group_id)
    is_used = connection.scalar(select(port_groups.c.port_id).where(port_groups.c.group_id == group_id).limit(1)) is not None
    if is_used or group.name == DEFAULT_GROUP:
        raise Conflict(f"Security Group {group_id} in use." if is_used else "Cannot delete the default security group.")
    connection.execute(delete(security_groups).where(_S.id == group_id))
    for named in sorted(other.id for other in listed(connection) if any(rule.remote_group == group_id for rule in other.rules)):
        other = _to_change(connection, named)
        _put(connection, replace(other, rules=tuple(rule for rule in other.rules if rule.remote_group != group_id)), other.updated_at)


def _to_change(connection: Connection, group_id: str) -> SecurityGroup:
    document = connection.scalar(_GET_TO_CHANGE, {"key": group_id})
    if document is None:
        raise NotFound(f"Security group {group_id} does not exist")
    return _decoder.decode(document)


def _put(connection: Connection, group: SecurityGroup, now: str) -> SecurityGroup:
    changed = replace(group, updated_at=now, revision=group.revision + 1)
    values = {"name": changed.name, "document": _encoder.encode(changed).decode()}
    connection.execute(update(security_groups).where(_S.id == group.id).values(values))
    return changed
