"""Security groups and their rules, in Neutron's words."""

from __future__ import annotations

from typing import Any

from compute_core.api.call import Call
from compute_core.api.network import rules
from compute_core.api.network.choice import chosen, project_of, whose
from compute_core.model.errors import Conflict, NotFound
from compute_core.model.networks import DEFAULT_GROUP, SecurityGroup


def view(group: SecurityGroup) -> dict[str, Any]:
    """A group with its rules."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "project_id": group.project_id,
        "tenant_id": group.project_id,
        "stateful": True,
        "is_default": group.name == DEFAULT_GROUP,
        "shared": False,
        "security_group_rules": [rules.view(rule, group.id, group.project_id) for rule in group.rules],
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "revision_number": group.revision,
        "tags": [],
    }


async def index(call: Call) -> dict[str, Any]:
    """The groups that the caller may see and means; its project's default one is made by looking."""
    await call.services.networks.groups.default(call.context.project_id)
    return {"security_groups": chosen(call, map(view, await call.services.networks.groups.list(whose(call))))}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    return {"security_group": view(await visible(call, call.path["group_id"]))}


async def create(call: Call) -> dict[str, Any]:
    """Make one. Conflict: every project has its default one already."""
    asked = call.body["security_group"]
    if asked["name"] == DEFAULT_GROUP:
        raise Conflict("Default security group already exists.")
    made = await call.services.networks.groups.create(project_of(call, asked), asked["name"], asked.get("description", ""))
    return {"security_group": view(made)}


async def update(call: Call) -> dict[str, Any]:
    """Give one another name or description. Conflict: the default one is called as it is."""
    group, changes = await visible(call, call.path["group_id"]), call.body["security_group"]
    if group.name == DEFAULT_GROUP and "name" in changes:
        raise Conflict("Updating default security group not allowed.")
    return {"security_group": view(await call.services.networks.groups.change(group.id, **changes))}


async def delete(call: Call) -> None:
    """Delete one."""
    group = await visible(call, call.path["group_id"])
    await call.services.networks.groups.delete(group.id)


async def list_rules(call: Call) -> dict[str, Any]:
    """The rules that the caller may see and means."""
    groups = await call.services.networks.groups.list(whose(call))
    views = [rules.view(rule, group.id, group.project_id) for group in groups for rule in group.rules]
    return {"security_group_rules": chosen(call, views)}


async def show_rule(call: Call) -> dict[str, Any]:
    """One of them."""
    rule_id = call.path["rule_id"]
    for group in await call.services.networks.groups.list(whose(call)):
        for rule in group.rules:
            if rule.id == rule_id:
                return {"security_group_rule": rules.view(rule, group.id, group.project_id)}
    raise NotFound(f"Security group rule {rule_id} does not exist")


async def create_rule(call: Call) -> dict[str, Any]:
    """Let something pass."""
    asked = call.body["security_group_rule"]
    group = await visible(call, asked["security_group_id"])
    members = rules.members(asked)
    if members["remote_group"] is not None:
        await visible(call, members["remote_group"])
    made = await call.services.networks.groups.add_rule(group.id, **members)
    return {"security_group_rule": rules.view(made, group.id, group.project_id)}


async def delete_rule(call: Call) -> None:
    """Let it pass no more."""
    await call.services.networks.groups.remove_rule(call.path["rule_id"], whose(call))


async def visible(call: Call, group_id: str) -> SecurityGroup:
    """A group that the caller may see. NotFound."""
    group = await call.services.networks.groups.get(group_id)
    if not call.context.is_admin and group.project_id != call.context.project_id:
        raise NotFound(f"Security group {group_id} does not exist")
    return group
