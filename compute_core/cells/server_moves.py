"""Resize, migration and evacuation at the top of the tree: the flavor, the quota and the image; the cell does the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from compute_core.cells.catalogue import must_be_admin
from compute_core.cells.new_servers import beyond, counted
from compute_core.cells.routing import Router
from compute_core.cells.servers import CellServers
from compute_core.cells.settings import ApiCellSettings
from compute_core.images.port import ImageStore
from compute_core.model.errors import ComputeError, Forbidden, HostUnreachable, Invalid, NotFound
from compute_core.model.flavors import Flavor
from compute_core.model.instances import Instance
from compute_core.model.json import from_json, to_json
from compute_core.model.limits import QuotaLimits
from compute_core.model.migrations import Migration, MigrationFilters
from compute_core.model.requests import RequestContext
from compute_core.model.transitions import begin
from compute_core.store import flavors, instances, usages
from compute_core.store.port import Store

log = logging.getLogger(__name__)


class ServerMoves:
    """See the port for each."""

    def __init__(self, settings: ApiCellSettings, store: Store, router: Router, servers: CellServers, images: ImageStore) -> None:
        self._settings = settings
        self._store = store
        self._router = router
        self._servers = servers
        self._images = images

    async def resize_server(self, context: RequestContext, uuid: str, flavor_id: str, disk_config: str | None = None) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "resize")
        flavor = await self._store.run(_other_flavor, instance, flavor_id, context)
        await self._store.run(_take_quota, uuid, flavor, self._settings.quotas)
        arguments = {"flavor": to_json(flavor), "disk_config": disk_config, "image_properties": await self._properties(instance)}
        try:
            await self._servers.begin(context, uuid, "resize", arguments, {})
        except ComputeError:
            await self._store.run(_give_quota_back, uuid)
            raise

    async def migrate_server(self, context: RequestContext, uuid: str, host: str | None) -> None:
        """See the port."""
        must_be_admin(context)
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "resize")
        _check_other_host(instance, host)
        arguments = {"flavor": None, "host": host, "image_properties": await self._properties(instance)}
        await self._servers.begin(context, uuid, "resize", arguments, {})

    async def live_migrate_server(self, context: RequestContext, uuid: str, host: str | None, *, moves_disks: bool | None) -> None:
        """See the port."""
        must_be_admin(context)
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "live_migrate")
        _check_other_host(instance, host)
        arguments = {"host": host, "moves_disks": moves_disks, "image_properties": await self._properties(instance)}
        await self._servers.begin(context, uuid, "live_migrate", arguments, {})

    async def evacuate_server(self, context: RequestContext, uuid: str, host: str | None, admin_password: str) -> None:
        """See the port."""
        must_be_admin(context)
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "evacuate")
        _check_other_host(instance, host)
        image = await self._servers.source_of(context, instance, instance.image_ref)
        arguments = {
            "host": host,
            "image": to_json(image),
            "image_properties": dict(image.properties),
            "admin_password": admin_password,
        }
        await self._servers.begin(context, uuid, "evacuate", arguments, {})

    async def list_migrations(self, context: RequestContext, filters: MigrationFilters) -> tuple[Migration, ...]:
        """See the port."""
        must_be_admin(context)
        asked = {"filters": to_json(filters)}
        answers = await asyncio.gather(*(self._of_cell(path, asked) for path in self._settings.child_paths))
        found = [from_json(migration, Migration) for answer in answers for migration in answer]
        return tuple(sorted(found, key=lambda migration: (migration.created_at, migration.id), reverse=True))

    async def server_migrations(self, context: RequestContext, uuid: str) -> tuple[Migration, ...]:
        """See the port."""
        must_be_admin(context)
        await self._servers.get_server(context, uuid)
        asked = MigrationFilters(instance_uuid=uuid, kind="live-migration")
        found = await self._servers.call_cell(context, uuid, "list_migrations", {"filters": to_json(asked)})
        under_way = (from_json(migration, Migration) for migration in found or ())
        return tuple(migration for migration in under_way if not migration.is_over)

    async def steer_migration(self, context: RequestContext, uuid: str, number: int, control: str) -> None:
        """See the port."""
        must_be_admin(context)
        await self._servers.unlocked(context, uuid)
        await self._servers.call_cell(context, uuid, "steer_migration", {"context": to_json(context), "number": number, "control": control})

    async def _of_cell(self, path: str, asked: Mapping[str, Any]) -> Any:
        try:
            return await self._router.call(path, "list_migrations", asked, self._settings.overview_timeout_s)
        except HostUnreachable as absence:
            log.warning("the migrations of %s are left out: %s", path, absence.message)
            return ()

    async def _properties(self, instance: Instance) -> dict[str, str]:
        """What the image asks of a host; an image that is gone asks nothing any more."""
        try:
            return dict((await self._images.get(instance.image_ref)).properties)
        except NotFound:
            return {}


def _check_other_host(instance: Instance, host: str | None) -> None:
    if host is not None and host == instance.host:
        raise Invalid(f"Unable to migrate instance {instance.uuid} to the host that it is on, {host}.")


def _other_flavor(connection: Connection, instance: Instance, flavor_id: str, context: RequestContext) -> Flavor:
    """The flavor to be resized to. Invalid."""
    try:
        flavor = flavors.get(connection, flavor_id)
    except NotFound as absence:
        raise Invalid(absence.message) from absence
    if not flavor.is_public and not context.is_admin:
        raise Invalid(f"Flavor {flavor_id} could not be found.")
    if flavor.is_disabled:
        raise Invalid(f"Flavor {flavor_id} is disabled.")
    if flavor.id == instance.flavor.id:
        raise Invalid("When resizing, instances must change flavor!")
    if instance.flavor.root_gb and not flavor.root_gb:
        raise Invalid("Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.")
    return flavor


def _take_quota(connection: Connection, uuid: str, flavor: Flavor, quotas: QuotaLimits) -> None:
    """What the larger of both sizes needs is taken before the cell is asked; whatever the cell says afterwards sets it right."""
    before = instances.find_to_change(connection, uuid)
    if before is None:
        raise NotFound.of("Instance", uuid)
    after = replace(before, new_flavor=flavor)
    if not usages.take(connection, before.project_id, beyond(counted(after), counted(before)), quotas):
        raise Forbidden("Quota exceeded for cores or ram.")
    instances.put(connection, after)


def _give_quota_back(connection: Connection, uuid: str) -> None:
    """The cell has refused: the server is as it was, unless the cell has said something else since."""
    before = instances.find_to_change(connection, uuid)
    if before is not None and before.new_flavor is not None and before.task_state is None:
        after = replace(before, new_flavor=None)
        usages.give_back(connection, before.project_id, beyond(counted(before), counted(after)))
        instances.put(connection, after)
