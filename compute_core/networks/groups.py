"""The embedded network service's security groups, in the cell's own store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection

from compute_core.model.clock import Clock
from compute_core.model.networks import DEFAULT_GROUP, EtherType, Rule, SecurityGroup
from compute_core.networks.changes import Changes
from compute_core.store import ports, security_groups
from compute_core.store.port import Store

FAMILIES: tuple[EtherType, ...] = ("IPv4", "IPv6")


class EmbeddedGroups:
    """``new_id`` gives UUIDs."""

    def __init__(self, store: Store, clock: Clock, new_id: Callable[[], str], changes: Changes) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._changes = changes
        self._defaults: dict[str, str] = {}

    async def default(self, project_id: str) -> SecurityGroup:
        """See the port."""
        return await self.get(await self.default_id(project_id))

    async def default_id(self, project_id: str) -> str:
        """The id of the group that every project has; it is made when it is asked for first."""
        if project_id not in self._defaults:
            group_id = str(uuid5(NAMESPACE_URL, f"inova:security-group:{project_id}:{DEFAULT_GROUP}"))
            mine = self._new_group(group_id, project_id, DEFAULT_GROUP, "Default security group")
            within = tuple(Rule(self._new_id(), "ingress", each, remote_group=group_id, created_at=mine.created_at) for each in FAMILIES)
            made = await self._store.run(security_groups.add, replace(mine, rules=(*mine.rules, *within)))
            self._defaults[project_id] = made.id
        return self._defaults[project_id]

    async def list(self, project_id: str | None) -> tuple[SecurityGroup, ...]:
        """See the port."""
        if project_id is not None:
            await self.default_id(project_id)
        return await self._store.run(security_groups.listed, project_id)

    async def get(self, group_id: str) -> SecurityGroup:
        """See the port."""
        return await self._store.run(security_groups.get, group_id)

    async def create(self, project_id: str, name: str, description: str) -> SecurityGroup:
        """See the port."""
        return await self._store.run(security_groups.add, self._new_group(self._new_id(), project_id, name, description))

    def _new_group(self, group_id: str, project_id: str, name: str, description: str) -> SecurityGroup:
        now = self._clock.iso()
        out = tuple(Rule(self._new_id(), "egress", each, created_at=now) for each in FAMILIES)
        return SecurityGroup(group_id, project_id, name, now, now, description, out)

    async def change(self, group_id: str, **changes: str) -> SecurityGroup:
        """See the port."""
        return await self._store.run(security_groups.change, group_id, self._clock.iso(), changes)

    async def delete(self, group_id: str) -> None:
        """See the port."""
        await self._store.run(security_groups.remove, group_id)

    async def add_rule(self, group_id: str, **fields: Any) -> Rule:
        """See the port."""
        rule = Rule(self._new_id(), created_at=self._clock.iso(), **fields)
        await self._store.run(security_groups.add_rule, group_id, rule, self._clock.iso())
        await self._note({group_id})
        return rule

    async def remove_rule(self, rule_id: str, project_id: str | None) -> None:
        """See the port."""
        group = await self._store.run(security_groups.remove_rule, rule_id, self._clock.iso(), project_id)
        await self._note({group.id})

    async def _note(self, group_ids: Iterable[str]) -> None:
        if self._changes.is_watched:
            self._changes.note(await self._store.run(_servers_in, frozenset(group_ids)))

    async def members_changed(self, group_ids: Iterable[str]) -> None:
        """Others are in these groups than before: that concerns whoever lets their members pass."""
        if self._changes.is_watched:
            self._changes.note(await self._store.run(_servers_letting, frozenset(group_ids)))


def _servers_in(connection: Connection, group_ids: frozenset[str]) -> set[str]:
    return {port.device_id for found in ports.members(connection, group_ids).values() for port in found}


def _servers_letting(connection: Connection, group_ids: frozenset[str]) -> set[str]:
    """The servers with ports in groups that have rules for members of these."""
    groups = security_groups.listed(connection)
    letting = {group.id for group in groups if any(rule.remote_group in group_ids for rule in group.rules)}
    return _servers_in(connection, frozenset(letting))
