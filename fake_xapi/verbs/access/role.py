"""The class ``role``: the permissions that make up a role, and the roles that include a permission."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb


def leaves(world: World, role: Id) -> Iterator[Id]:
    """The permissions that make up a role; a permission consists of itself."""
    subroles = world[role]["subroles"]
    if not subroles:
        yield role
    for subrole in subroles:
        yield from leaves(world, subrole)


def permission_names(world: World, roles: tuple[Id, ...]) -> list[str]:
    """The names of the permissions of several roles, each once."""
    return sorted({world[permission]["name_label"] for role in roles for permission in leaves(world, role)})


def get_permissions(call: Call, role: Id) -> list[Id]:
    """The permissions of a role."""
    return list(dict.fromkeys(leaves(call.world, role)))


def get_permissions_name_label(call: Call, role: Id) -> list[str]:
    """The names of the permissions of a role."""
    return permission_names(call.world, (role,))


def get_by_permission(call: Call, permission: Id) -> list[Id]:
    """The roles that include a permission, except the permission itself."""
    world = call.world
    return sorted(role for role in world.ids("role") if role != permission and permission in leaves(world, role))


def get_by_permission_name_label(call: Call, label: str) -> list[Id]:
    """The roles that include the permission of that name; none for an unknown name."""
    found = call.world.named("role", label)
    return get_by_permission(call, found[0]) if found else []


VERBS: Mapping[str, Verb] = {
    "role.get_permissions": get_permissions,
    "role.get_permissions_name_label": get_permissions_name_label,
    "role.get_by_permission": get_by_permission,
    "role.get_by_permission_name_label": get_by_permission_name_label,
}
