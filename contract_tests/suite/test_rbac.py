"""Roles: what each is made of, and that a greater one may whatever a lesser one may (semantics 2)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import pytest

from contract_tests.refusals import NULL, refusal

ROLES: Final = ("pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only")

PERMISSIONS: Final = (
    ("vm.get_record", "read-only"),
    ("session.logout", "read-only"),
    ("vm.start", "vm-operator"),
    ("vm.clean_shutdown", "vm-operator"),
    ("vm.add_to_other_config/key:folder", "vm-operator"),
    ("vm.create", "vm-admin"),
    ("vm.destroy", "vm-admin"),
    ("http/put_import", "vm-admin"),
    ("sr.create", "pool-operator"),
    ("pool.join", "pool-operator"),
    ("task.destroy/any", "pool-operator"),
    ("subject.create", "pool-admin"),
    ("pool.enable_external_auth", "pool-admin"),
    ("vm.add_to_other_config/key:pci", "pool-admin"),
)
"""A permission and the least role that has it."""


@pytest.fixture(scope="module")
def roles(xapi: Any) -> dict[str, str]:
    """The roles that are handed out, by name."""
    return {name: xapi.role.get_by_name_label(name)[0] for name in ROLES}


@pytest.mark.rule("RBAC role rows")
def test_the_roles_have_the_same_references_everywhere(xapi: Any, roles: dict[str, str]) -> None:
    """A role's reference is its uuid, and pool-admin's is known."""
    assert roles["pool-admin"] == "OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba"
    assert [f"OpaqueRef:{xapi.role.get_uuid(role)}" for role in roles.values()] == list(roles.values())


@pytest.mark.rule("RBAC order of roles")
def test_a_greater_role_may_all_that_a_lesser_may(xapi: Any, roles: dict[str, str]) -> None:
    """pool-admin > pool-operator > vm-power-admin > vm-admin > vm-operator > read-only."""
    allowed = [set(xapi.role.get_permissions_name_label(role)) for role in roles.values()]
    assert all(lesser < greater for greater, lesser in pairwise(allowed))


@pytest.mark.rule("RBAC permission names", "RBAC keys of maps")
@pytest.mark.parametrize(("permission", "least"), PERMISSIONS)
def test_a_permission_belongs_to_a_role_and_those_above_it(xapi: Any, roles: dict[str, str], permission: str, least: str) -> None:
    """Permissions are called as messages in lower case; some keys of maps and HTTP actions have their own."""
    owners = set(xapi.role.get_by_permission_name_label(permission))
    assert {name for name, role in roles.items() if role in owners} == set(ROLES[: ROLES.index(least) + 1])


@pytest.mark.rule("RBAC permission names")
def test_permissions_are_roles_without_parts(xapi: Any, roles: dict[str, str]) -> None:
    """A permission is a role as well; it is made of itself, and it is not among those that have it."""
    (start,) = xapi.role.get_by_name_label("vm.start")
    assert xapi.role.get_subroles(start) == []
    assert xapi.role.get_permissions(start) == [start]
    assert set(xapi.role.get_by_permission(start)) >= {roles["vm-operator"], roles["pool-admin"]}
    assert start not in xapi.role.get_by_permission(start)


def test_permissions_come_as_references_and_as_names(xapi: Any, roles: dict[str, str]) -> None:
    """get_permissions and get_permissions_name_label tell the same."""
    permissions = xapi.role.get_permissions(roles["read-only"])
    assert len(set(permissions)) == len(xapi.role.get_permissions_name_label(roles["read-only"]))
    assert start_of(xapi) not in permissions


def start_of(xapi: Any) -> str:
    """The permission to start VMs."""
    return str(xapi.role.get_by_name_label("vm.start")[0])


def test_what_nobody_may_has_no_roles(xapi: Any) -> None:
    """An unknown permission belongs to no role."""
    assert xapi.role.get_by_permission_name_label("no.such_message") == []


@pytest.mark.rule("RBAC role rows")
def test_roles_are_not_made_by_clients(xapi: Any) -> None:
    """There is no role.create."""
    assert refusal(xapi.role.create, {})[0] == "MESSAGE_METHOD_UNKNOWN"


@pytest.mark.rule("RBAC superuser")
def test_root_has_no_roles_and_may_everything(xapi: Any, session: Any) -> None:
    """A local superuser's session lists no permissions."""
    assert xapi.session.get_rbac_permissions(session.handle) == []
    assert xapi.session.get_subject(session.handle) == NULL
