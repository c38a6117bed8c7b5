"""The classes ``subject`` and ``auth``: users and groups of the directory that the pool admits, and what the directory knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.editions import is_restricted, require
from fake_xapi.state.ids import Id
from fake_xapi.verbs.access.directory import Directory, Entry
from fake_xapi.verbs.access.role import permission_names
from fake_xapi.verbs.call import Call, Verb

POOL_ADMIN = "pool-admin"


def create(call: Call, fields: Mapping[str, Any]) -> Id:
    """Admit a user or group. It has no role yet, except without a licence for roles: then it is pool-admin.

    LICENCE_RESTRICTION ["AD"], SUBJECT_ALREADY_EXISTS [], AUTH_IS_DISABLED [], SUBJECT_CANNOT_BE_RESOLVED [].
    """
    if any(row["external_auth_type"] == "AD" for _, row in call.world.rows("host")):
        require(call.world, "AD")
    identifier = fields.get("subject_identifier", "")
    if any(row["subject_identifier"] == identifier for _, row in call.world.rows("subject")):
        raise Failure("SUBJECT_ALREADY_EXISTS")
    told = _information(call, identifier) if call.world.personality.era == "modern" else fields.get("other_config", {})
    roles = call.world.named("role", POOL_ADMIN) if is_restricted(call.world, "RBAC") else ()
    with call.world.edit() as edit:
        return edit.create("subject", subject_identifier=identifier, other_config=told, roles=roles)


def add_to_roles(call: Call, subject: Id, role: Id) -> None:
    """Grant a role. LICENCE_RESTRICTION ["RBAC"], ROLE_NOT_FOUND [], ROLE_ALREADY_EXISTS []."""
    require(call.world, "RBAC")
    roles = call.world[subject]["roles"]
    if call.world.get(role) is None:
        raise Failure("ROLE_NOT_FOUND")
    if role in roles:
        raise Failure("ROLE_ALREADY_EXISTS")
    with call.world.edit() as edit:
        edit.set(subject, roles=(*roles, role))


def remove_from_roles(call: Call, subject: Id, role: Id) -> None:
    """Revoke a role. LICENCE_RESTRICTION ["RBAC"], ROLE_NOT_FOUND [] for one that the subject does not have."""
    require(call.world, "RBAC")
    roles = call.world[subject]["roles"]
    if role not in roles:
        raise Failure("ROLE_NOT_FOUND")
    with call.world.edit() as edit:
        edit.set(subject, roles=tuple(held for held in roles if held != role))


def get_permissions_name_label(call: Call, subject: Id) -> list[str]:
    """The names of all permissions that a subject's roles grant."""
    return permission_names(call.world, call.world[subject]["roles"])


def get_subject_identifier(call: Call, name: str) -> str:
    """The identifier of a user or group by its name. AUTH_IS_DISABLED [], SUBJECT_CANNOT_BE_RESOLVED []."""
    found = enabled_directory(call).find(name)
    if not found:
        raise Failure("SUBJECT_CANNOT_BE_RESOLVED")
    return found


def get_subject_information_from_identifier(call: Call, identifier: str) -> dict[str, str]:
    """What the directory tells about a user or group. AUTH_IS_DISABLED [], SUBJECT_CANNOT_BE_RESOLVED []."""
    return dict(_information(call, identifier))


def get_group_membership(call: Call, identifier: str) -> list[str]:
    """The groups that contain a user or group, directly or through others. AUTH_IS_DISABLED [], SUBJECT_CANNOT_BE_RESOLVED []."""
    return list(enabled_directory(call).groups(_entry(call, identifier).identifier))


def enabled_directory(call: Call) -> Directory:
    """The directory that this host has joined; AUTH_IS_DISABLED [] when it has joined none."""
    if call.directory is None or not call.world[call.host]["external_auth_type"]:
        raise Failure("AUTH_IS_DISABLED")
    return call.directory


def _entry(call: Call, identifier: str) -> Entry:
    entry = enabled_directory(call).entry(identifier)
    if entry is None:
        raise Failure("SUBJECT_CANNOT_BE_RESOLVED")
    return entry


def _information(call: Call, identifier: str) -> Mapping[str, str]:
    return enabled_directory(call).information(_entry(call, identifier))


VERBS: Mapping[str, Verb] = {
    "subject.create": create,
    "subject.add_to_roles": add_to_roles,
    "subject.remove_from_roles": remove_from_roles,
    "subject.get_permissions_name_label": get_permissions_name_label,
    "auth.get_subject_identifier": get_subject_identifier,
    "auth.get_subject_information_from_identifier": get_subject_information_from_identifier,
    "auth.get_group_membership": get_group_membership,
}
