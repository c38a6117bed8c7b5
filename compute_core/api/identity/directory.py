"""Users, projects and the endpoint's own versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from compute_core.api.call import Call, Reply
from compute_core.identity.port import DOMAIN_ID, DOMAIN_NAME, Project, User
from compute_core.model.errors import Forbidden, NotFound

T = TypeVar("T", User, Project)


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.host_url}/identity/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


async def versions(call: Call) -> Reply:
    """Every version: the one."""
    return Reply({"versions": {"values": [_version(call)]}})


async def version(call: Call) -> dict[str, Any]:
    """Version 3."""
    return {"version": _version(call)}


def _project(call: Call, project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "description": "",
        "enabled": True,
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": {"self": f"{call.base_url}/v3/projects/{project.id}"},
    }


def _user(call: Call, user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "domain_id": DOMAIN_ID,
        "enabled": True,
        "options": {},
        "password_expires_at": None,
        "links": {"self": f"{call.base_url}/v3/users/{user.id}"},
    }


def _links(call: Call, path: str) -> dict[str, Any]:
    return {"self": f"{call.base_url}{path}", "previous": None, "next": None}


def _named(call: Call, items: Sequence[T]) -> list[T]:
    """Those with the name, in the domain, that the query asks for."""
    name, domain = call.query.get("name"), call.query.get("domain_id")
    return [item for item in items if name in {None, item.name} and domain in {None, DOMAIN_ID}]


async def own_projects(call: Call) -> dict[str, Any]:
    """The projects that the caller may scope a token to."""
    projects = await call.services.identity.projects(call.context.user_id)
    return {"projects": [_project(call, project) for project in projects], "links": _links(call, "/v3/auth/projects")}


async def projects(call: Call) -> dict[str, Any]:
    """All projects."""
    found = _named(call, await call.services.identity.projects())
    return {"projects": [_project(call, project) for project in found], "links": _links(call, "/v3/projects")}


async def project(call: Call) -> dict[str, Any]:
    """One project: the caller's own, or any for an admin."""
    wanted = call.path["project_id"]
    _refuse_strangers(call, is_own=wanted == call.context.project_id)
    return {"project": _project(call, _by_id(await call.services.identity.projects(), "project", wanted))}


async def users(call: Call) -> dict[str, Any]:
    """All users."""
    found = _named(call, await call.services.identity.users())
    return {"users": [_user(call, user) for user in found], "links": _links(call, "/v3/users")}


async def user(call: Call) -> dict[str, Any]:
    """One user: the caller, or any for an admin."""
    wanted = call.path["user_id"]
    _refuse_strangers(call, is_own=wanted == call.context.user_id)
    return {"user": _user(call, _by_id(await call.services.identity.users(), "user", wanted))}


async def user_projects(call: Call) -> dict[str, Any]:
    """The projects in which a user has a role."""
    wanted = call.path["user_id"]
    _refuse_strangers(call, is_own=wanted == call.context.user_id)
    found = await call.services.identity.projects(wanted)
    return {"projects": [_project(call, project) for project in found], "links": _links(call, f"/v3/users/{wanted}/projects")}


async def domain(call: Call) -> dict[str, Any]:
    """The one domain, by its id."""
    if call.path["domain_id"] != DOMAIN_ID:
        raise NotFound(f"Could not find domain: {call.path['domain_id']}.")
    return {"domain": {"id": DOMAIN_ID, "name": DOMAIN_NAME, "enabled": True, "description": "", "options": {}, "tags": [], "links": {}}}


def _refuse_strangers(call: Call, *, is_own: bool) -> None:
    if not is_own and not call.context.is_admin:
        raise Forbidden("You are not authorized to perform the requested action.")


def _by_id(items: Sequence[T], kind: str, identity: str) -> T:
    for item in items:
        if item.id == identity:
            return item
    raise NotFound(f"Could not find {kind}: {identity}.")
