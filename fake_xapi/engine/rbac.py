"""Role-based access control: which roles have which permissions, and what a session may do.

A permission is a message's name in lower case (``vm.start``), for some keys of maps one of its own
(``vm.add_to_other_config/key:folder``), or an HTTP action's (``http/put_import``). May not know sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.model import Message, Role
from fake_xapi.datamodel.personality import Personality, personality

ANY_TASK = "task.destroy/any"
"""Lets its owner end the tasks of others."""
ANY_TASK_ROLES = ">=pool-operator"
HTTP_PREFIX = "http/"


@cache
def permissions(release: str) -> Mapping[str, tuple[str, ...]]:
    """The roles that have each permission of a release, strongest first; permissions of local superusers alone are not included."""
    known, sets = roles_of(personality(release)), datamodel().role_sets
    return {name: tuple(role for role in sets[roles] if role in known) for name, roles in _named(personality(release)) if sets.get(roles)}


def roles_of(release: Personality) -> Mapping[str, Role]:
    """The roles of a release by their names, strongest first: the one for client certificates is as old as the certificates."""
    has_certificates = release.has_field("session", "client_certificate")
    return {role.name_label: role for role in datamodel().roles if has_certificates or not role.is_internal}


def _named(release: Personality) -> Iterator[tuple[str, str]]:
    """Each permission with the name of its set of roles."""
    for message in release.messages.values():
        yield permission_of(message), message.roles
        for key, roles in message.map_keys_roles.items():
            yield _key_permission(message, key), roles
    for action in datamodel().http_actions:
        yield HTTP_PREFIX + action.name, action.roles
        for part, roles in action.sub_actions.items():
            yield f"{HTTP_PREFIX}{action.name}/{part}", roles
    yield ANY_TASK, ANY_TASK_ROLES


def permission_of(message: Message) -> str:
    """The permission that a message needs, whatever its parameters."""
    return message.wire_name.lower()


def _key_permission(message: Message, key: str) -> str:
    return f"{permission_of(message)}/key:{key.lower()}"


@cache
def permissions_of_roles(release: str, roles: frozenset[str]) -> tuple[str, ...]:
    """The combined permissions of several roles, their own names included: a session's ``rbac_permissions``."""
    found = {name for name, owners in permissions(release).items() if roles.intersection(owners)}
    return tuple(sorted(found | roles))


@cache
def as_set(names: tuple[str, ...]) -> frozenset[str]:
    """A session's permissions as a set, shared by all sessions with the same ones."""
    return frozenset(names)


@cache
def public_actions() -> frozenset[str]:
    """The HTTP actions that every session may use."""
    return frozenset(action.name for action in datamodel().http_actions if not action.is_checked)


def needed(message: Message, values: list[Any]) -> str:
    """The permission that a call needs: for some maps it depends on the key that is written or removed."""
    if message.map_keys_roles and len(values) > 1:
        for key in message.map_keys_roles:
            if _matches(key, values[1]):
                return _key_permission(message, key)
    return permission_of(message)


def _matches(pattern: str, key: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def denied(release: str, permission: str) -> Failure:
    """RBAC_PERMISSION_DENIED [permission, the roles that have it]."""
    roles = ", ".join(permissions(release).get(permission, ()))
    return Failure("RBAC_PERMISSION_DENIED", permission, f"No permission in user session. (Roles with this permission: {roles})")
