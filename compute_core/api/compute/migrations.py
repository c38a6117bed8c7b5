"""Migrations: the list of all that an operator looks at, and the live ones of a server, which may be bent while they are under way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.links import links_of
from compute_core.api.compute.operations import date_of, number_of
from compute_core.api.paging import links_when_full, page
from compute_core.api.texts import exact_date, truth
from compute_core.model.clock import iso
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.migrations import Migration, MigrationFilters

TYPES_SINCE, PAGES_SINCE, USERS_SINCE, ABORT_EARLY_SINCE = 23, 59, 80, 65


async def index(call: Call) -> dict[str, Any]:
    """Every migration, the newest first."""
    asked = call.query
    filters = MigrationFilters(
        host=asked.get("host"),
        status=asked.get("status"),
        instance_uuid=asked.get("instance_uuid"),
        source=asked.get("source_compute"),
        kind=asked.get("migration_type"),
        user_id=asked.get("user_id"),
        project_id=asked.get("project_id"),
        changes_since=_moment("changes-since", asked.get("changes-since")),
        changes_before=_moment("changes-before", asked.get("changes-before")),
    )
    if filters.changes_since and filters.changes_before and filters.changes_since > filters.changes_before:
        raise Invalid("The value of changes-since must be less than or equal to changes-before.")
    is_hidden = truth("hidden", asked.get("hidden") or "false")  # those are of moves between cells, which there are none of
    found = () if is_hidden else await call.services.compute.list_migrations(call.context, filters)
    if call.version < PAGES_SINCE:
        return {"migrations": [_listed(call, migration) for migration in found]}
    listed = page(found, asked, lambda migration: migration.uuid)
    links = links_when_full(call, "/os-migrations", [migration.uuid for migration in listed])
    return {"migrations": [_listed(call, migration) for migration in listed]} | ({"migrations_links": links} if links else {})


def _moment(name: str, text: str | None) -> str | None:
    """A date of the query as those of migrations are written."""
    return None if text is None else iso(datetime.fromisoformat(exact_date(name, text)).replace(tzinfo=UTC))


def _listed(call: Call, migration: Migration) -> dict[str, Any]:
    answer = {
        **_places(migration),
        "instance_uuid": migration.instance_uuid,
        "old_instance_type_id": number_of(migration.old_flavor.id),
        "new_instance_type_id": number_of(migration.new_flavor.id),
    }
    if call.version >= TYPES_SINCE:
        answer["migration_type"] = migration.kind
        if migration.kind == "live-migration" and not migration.is_over:
            answer["links"] = links_of(call, f"servers/{migration.instance_uuid}/migrations", str(migration.id))
    return answer | _identity(call, migration)


def _places(migration: Migration) -> dict[str, Any]:
    return {
        "id": migration.id,
        "status": migration.status,
        "source_compute": migration.source,
        "source_node": migration.source_node,
        "dest_compute": migration.destination,
        "dest_node": migration.destination_node,
        "dest_host": migration.destination_address,
        "created_at": date_of(migration.created_at),
        "updated_at": date_of(migration.updated_at),
    }


def _identity(call: Call, migration: Migration) -> dict[str, Any]:
    uuid = {"uuid": migration.uuid} if call.version >= PAGES_SINCE else {}
    users = {"user_id": migration.user_id, "project_id": migration.project_id} if call.version >= USERS_SINCE else {}
    return uuid | users


# ---- of a server ------------------------------------------------------------------------------------------------------------


async def of_server(call: Call) -> dict[str, Any]:
    """The live migrations of a server that are under way."""
    found = await call.services.compute.server_migrations(call.context, call.path["server_id"])
    return {"migrations": [_under_way(call, migration) for migration in found]}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    return {"migration": _under_way(call, await _one(call))}


async def abort(call: Call) -> None:
    """The server stays where it is."""
    migration = await _one(call)
    if migration.status != "running" and call.version < ABORT_EARLY_SINCE:
        raise Invalid(f"Migration {migration.id} is {migration.status}; it must be running.")
    await call.services.compute.steer_migration(call.context, migration.instance_uuid, migration.id, "abort_live_migration")


async def force_complete(call: Call) -> None:
    """The server goes, even if it has to stand still for it."""
    migration = await _one(call)
    if migration.status != "running":
        raise Invalid(f"Migration {migration.id} is {migration.status}; it must be running.")
    await call.services.compute.steer_migration(call.context, migration.instance_uuid, migration.id, "complete_live_migration")


async def _one(call: Call) -> Migration:
    server_id, number = call.path["server_id"], call.path["migration_id"]
    for migration in await call.services.compute.server_migrations(call.context, server_id):
        if str(migration.id) == number:
            return migration
    raise NotFound(f"In-progress live migration {number} is not found for server {server_id}.")


def _under_way(call: Call, migration: Migration) -> dict[str, Any]:
    return {
        **_places(migration),
        "server_uuid": migration.instance_uuid,
        **_bytes("memory", migration.memory_bytes, migration.progress),
        **_bytes("disk", migration.disk_bytes, migration.progress),
        **_identity(call, migration),
    }


def _bytes(what: str, total: int, percent: int) -> dict[str, int]:
    """XAPI tells one progress of the whole: memory and disks are taken to have come as far as each other."""
    processed = total * percent // 100
    return {f"{what}_total_bytes": total, f"{what}_processed_bytes": processed, f"{what}_remaining_bytes": total - processed}
