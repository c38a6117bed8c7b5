"""What is done with servers beyond their power: rescue, rebuild, shelve, restore, lock, and what an operator does by hand. At the top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.cells.new_servers import check_image, hostname_of, how_many
from compute_core.cells.outcomes import with_changes
from compute_core.cells.servers import CellServers
from compute_core.cells.settings import ApiCellSettings
from compute_core.images.port import ImageStore
from compute_core.model.clock import Clock
from compute_core.model.errors import ComputeError, Conflict, Forbidden, Invalid, NotFound
from compute_core.model.images import Image
from compute_core.model.instance_actions import InstanceAction
from compute_core.model.instances import Instance, VmState
from compute_core.model.json import from_json, to_json
from compute_core.model.keypairs import KeyPair
from compute_core.model.requests import RebuildRequest, RequestContext
from compute_core.model.transitions import begin
from compute_core.store import keypairs, usages
from compute_core.store.port import Store

OWNER, ADMIN = "owner", "admin"
NO_LOCK: Mapping[str, Any] = {"is_locked": False, "locked_by": "", "locked_reason": None}


class ServerLife:
    """See the port for each."""

    def __init__(self, settings: ApiCellSettings, store: Store, servers: CellServers, images: ImageStore, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._servers = servers
        self._images = images
        self._clock = clock

    async def lock_server(self, context: RequestContext, uuid: str, reason: str | None) -> None:
        """See the port."""
        instance = await self._servers.get_server(context, uuid)
        who = _who(context, instance)
        if instance.is_locked and who == OWNER:
            return
        await self._set_lock(context, uuid, "lock", {"is_locked": True, "locked_by": who, "locked_reason": reason})

    async def unlock_server(self, context: RequestContext, uuid: str) -> None:
        """See the port."""
        instance = await self._servers.get_server(context, uuid)
        if instance.locked_by == ADMIN and not context.is_admin:
            raise Forbidden("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
        await self._set_lock(context, uuid, "unlock", NO_LOCK)

    async def _set_lock(self, context: RequestContext, uuid: str, action: str, changes: Mapping[str, Any]) -> None:
        await self._servers.ask_cell(
            context, uuid, "update_instance", {"changes": dict(changes), "context": to_json(context), "action": action}
        )

    async def rescue_server(self, context: RequestContext, uuid: str, image_ref: str | None, admin_password: str) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "rescue")
        image = await self._bootable(context, image_ref or instance.image_ref)
        await self._servers.begin(context, uuid, "rescue", {"admin_password": admin_password}, {"rescue_image_ref": image.id})

    async def rebuild_server(self, context: RequestContext, uuid: str, request: RebuildRequest) -> Instance:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "rebuild")
        image = await self._servers.image(request.image_ref)
        check_image(image, instance.flavor, context)
        key = await self._key(context, request)
        changes = {"image_ref": image.id, **request.changes, **key}
        if "name" in request.changes and "hostname" not in request.changes:
            changes["hostname"] = hostname_of(request.changes["name"])
        arguments = {"admin_password": request.admin_password}
        return with_changes(await self._servers.begin(context, uuid, "rebuild", arguments, {"pending": changes}), changes)

    async def shelve_server(self, context: RequestContext, uuid: str) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "shelve")
        if instance.boots_from_volume:
            await self._servers.begin(context, uuid, "shelve", {}, {"shelved_at": self._clock.iso()})
            return
        image = await self._servers.queue_image(context, instance, f"{instance.name}-shelved", {})
        changes = {"shelved_image_ref": image.id, "shelved_at": self._clock.iso()}
        try:
            await self._servers.begin(context, uuid, "shelve", {}, changes)
        except ComputeError:
            await self._images.delete(image.id)
            raise

    async def unshelve_server(self, context: RequestContext, uuid: str, zone: str | None) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "unshelve")
        if instance.vm_state == "shelved":
            if zone is not None:
                raise Conflict(f"Cannot unshelve instance {uuid} into another zone while it is on its host.")
            await self._servers.begin(context, uuid, "unshelve", {}, {})
            return
        image = await self._servers.source_of(context, instance, instance.shelved_image_ref or "")
        arguments = {"context": to_json(context), "image": to_json(image), "zone": zone}
        await self._servers.ask_cell(context, uuid, "unshelve", arguments)

    async def restore_server(self, context: RequestContext, uuid: str) -> None:
        """See the port."""
        instance = await self._servers.unlocked(context, uuid)
        begin(instance, "restore")
        used = await self._store.run(usages.of_project, instance.project_id)
        if how_many(1, instance.flavor, used, self._settings.quotas) < 1:
            raise Forbidden("Quota exceeded for instances, cores or ram.")
        await self._servers.begin(context, uuid, "restore", {}, {})

    async def reset_state(self, context: RequestContext, uuid: str, vm_state: VmState) -> None:
        """See the port."""
        await self._servers.ask_cell(context, uuid, "reset_state", {"vm_state": vm_state})

    async def tell_host(self, context: RequestContext, uuid: str, news: str, **arguments: Any) -> None:
        """See the port."""
        await self._servers.call_cell(context, uuid, "tell_host", {"context": to_json(context), "news": news, "arguments": arguments})

    async def list_actions(self, context: RequestContext, uuid: str) -> tuple[InstanceAction, ...]:
        """See the port."""
        listed = await self._servers.call_cell(context, uuid, "list_actions", {})
        return tuple(from_json(action, InstanceAction) for action in listed or ())

    async def _bootable(self, context: RequestContext, image_id: str) -> Image:
        image = await self._servers.image(image_id)
        is_visible = context.is_admin or image.owner == context.project_id or image.visibility in {"public", "community", "shared"}
        if not is_visible:
            raise Invalid(f"Image {image_id} could not be found.")
        if image.status != "active":
            raise Invalid(f"Image {image_id} is not active.")
        return image

    async def _key(self, context: RequestContext, request: RebuildRequest) -> Mapping[str, Any]:
        """The key's members where the request speaks of a key."""
        if not request.sets_key:
            return {}
        if request.key_name is None:
            return {"key_name": None, "key_data": None}
        try:
            key: KeyPair = await self._store.run(keypairs.get, context.user_id, request.key_name)
        except NotFound as absence:
            raise Invalid("Invalid key_name provided.") from absence
        return {"key_name": key.name, "key_data": key.public_key}


def _who(context: RequestContext, instance: Instance) -> str:
    return OWNER if context.project_id == instance.project_id else ADMIN
