"""Servers as the top of the tree deals with them: created here, copied here, but owned by the cell that has them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from random import Random
from typing import Any

from sqlalchemy import Connection

from compute_core.cells.copies import Taken, delete_here, gone, left_images, take_news
from compute_core.cells.hand_over import HandOver
from compute_core.cells.left_volumes import LeftVolumes
from compute_core.cells.new_servers import check_image, disk_config, hints_of, how_many, new_instances, usage_of
from compute_core.cells.new_volumes import give_back, image_on_disks, image_on_volume, with_volumes
from compute_core.cells.outcomes import DELETING, failed
from compute_core.cells.routing import Router
from compute_core.cells.settings import ApiCellSettings
from compute_core.cells.volume_images import image_of_volumes, unfolded
from compute_core.cells.waiting import Waiting, Watch
from compute_core.images.port import ImageStore
from compute_core.model.backups import OWN_PROPERTIES
from compute_core.model.clock import Clock
from compute_core.model.errors import ComputeError, Conflict, Forbidden, Invalid, NotFound, NoValidHost
from compute_core.model.flavors import Flavor
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.model.json import from_json, to_json
from compute_core.model.keypairs import KeyPair
from compute_core.model.limits import UNLIMITED, Limits, QuotaLimits
from compute_core.model.requests import RequestContext, ServerFilters, ServerRequest
from compute_core.model.transitions import begin
from compute_core.scheduler.capacity import Ask
from compute_core.store import flavors, instances, keypairs, listing, mappings, usages
from compute_core.store.mappings import CellMapping
from compute_core.store.port import Store
from compute_core.volumes.port import Volumes

COMMANDED = frozenset({"active", "paused", "rescued", "error"})
"""The states in which a host may be told to do something at once with a guest."""
COMMANDED_LESS: Mapping[str, frozenset[str]] = {"change_password": frozenset({"active"})}
"""Where a certain thing may be told in fewer."""
BOOTED = frozenset({"start", "reboot_hard", "rescue", "rebuild"})
"""What begins to run a guest that may have been stopped."""
SNAPSHOT_FORMAT = {"disk_format": "vhd", "container_format": "ovf"}
"""A tar of numbered VHDs."""


class CellServers:
    """The servers of all cells. ``chance`` makes the uuids."""

    def __init__(  # noqa: PLR0913  # the services that the top of the tree stands on
        self,
        settings: ApiCellSettings,
        store: Store,
        router: Router,
        hand_over: HandOver,
        images: ImageStore,
        clock: Clock,
        chance: Random,
        *,
        volumes: Volumes | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._router = router
        self._hand_over = hand_over
        self._images = images
        self._clock = clock
        self._chance = chance
        self._volumes = volumes
        self._left = LeftVolumes(volumes)
        self._waiting = Waiting()

    async def close(self) -> None:
        """Give back no more volumes."""
        await self._left.close()

    async def create_servers(self, context: RequestContext, request: ServerRequest) -> tuple[Instance, ...]:
        """See the port."""
        self._check_metadata(len(request.metadata))
        flavor, key = await self._store.run(_parts, context, request)
        request, image = unfolded(request, await self._image_of(context, request))
        check_image(image, flavor, context)
        request = replace(request, disk_config=disk_config(request, image))
        cell = self._hand_over.choose(Ask.of(flavor), request.max_count, request.availability_zone)
        sent = {"context": to_json(context), "image": to_json(image), "hints": hints_of(request)}
        drafts = new_instances(context, request, flavor, key, self._clock.iso(), self._chance)
        drafts = await with_volumes(self._volumes, self._left, context, request, drafts)
        mapping = CellMapping("", context.project_id, cell, self._clock.now().timestamp(), sent, is_settled=not cell)
        try:
            new = await self._store.run(_add, drafts, max(request.min_count, 1), mapping, self._settings.quotas)
        except Forbidden:
            await give_back(self._volumes, self._left, request, drafts[0])
            raise
        if cell:
            await self._hand_over.build(cell, new, sent, request.admin_password)
        return new

    async def _image_of(self, context: RequestContext, request: ServerRequest) -> Image:
        if request.image_ref:
            return await self.image(request.image_ref)
        return await image_on_disks(self._volumes, context, request.disks, self._clock.iso())

    async def source_of(self, context: RequestContext, instance: Instance, image_id: str) -> Image:
        """What a server is built from once more: the image of that id, unless it boots from a volume. Invalid: it is not there."""
        root = next((device.volume_id for device in instance.block_devices if device.boot_index == 0), None)
        if root is None:
            return await self.image(image_id)
        return await image_on_volume(self._volumes, context, root, self._clock.iso())

    async def list_servers(self, context: RequestContext, filters: ServerFilters) -> tuple[Instance, ...]:
        """See the port."""
        own = filters if context.is_admin else replace(filters, project_id=context.project_id)
        return await self._store.run(listing.page, own)

    async def get_server(self, context: RequestContext, uuid: str) -> Instance:
        """See the port."""
        return (await self._store.run(_seen_by, context, uuid))[0]

    async def update_server(self, context: RequestContext, uuid: str, **changes: Any) -> Instance:
        """See the port."""
        return await self.ask_cell(context, uuid, "update_instance", {"changes": changes})

    async def delete_server(self, context: RequestContext, uuid: str) -> None:
        """See the port."""
        instance = await self.unlocked(context, uuid)
        if not self._settings.deletes_softly or not await self._delete_softly(context, instance):
            await self.force_delete(context, uuid)

    async def _delete_softly(self, context: RequestContext, instance: Instance) -> bool:
        """Whether it could be; what has never run, or is busy, is deleted for good."""
        if instance.vm_state == "soft-delete":
            return True
        if instance.launched_at is None or instance.host is None or instance.task_state is not None:
            return False
        asked = _asked(context, "soft_delete", {}) | {"changes": {"soft_deleted_at": self._clock.iso()}}
        try:
            await self.ask_cell(context, instance.uuid, "act", asked)
        except Conflict:
            return False
        return True

    async def force_delete(self, context: RequestContext, uuid: str) -> None:
        """See the port."""
        instance, mapping = await self._store.run(_seen_by, context, uuid)
        self._check_lock(context, instance)
        if not mapping.cell:
            await self._store.run(delete_here, instance, self._clock.iso())
            self._left.leave([instance])
            return
        await self._store.run(_mark_deleting, uuid, self._clock.iso(), self._clock.now().timestamp())
        await self._hand_over.delete(mapping.cell, instance, to_json(context))

    async def act(self, context: RequestContext, uuid: str, action: str, **arguments: Any) -> None:
        """See the port."""
        await self.begin(context, uuid, action, arguments, {})

    async def begin(
        self, context: RequestContext, uuid: str, action: str, arguments: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> Instance:  # fmt: skip
        """As ``act``, with the members of the instance that are different from now on; the instance as it is then."""
        instance = await self.unlocked(context, uuid)
        begin(instance, action)
        if action in BOOTED:
            await self._must_not_be_copied(instance)
        return await self.ask_cell(context, uuid, "act", _asked(context, action, arguments) | {"changes": dict(changes)})

    async def _must_not_be_copied(self, instance: Instance) -> None:
        """No guest may write on a volume from which a host copies. Conflict."""
        for device in instance.block_devices:
            if self._volumes is not None and (await self._volumes.get(device.volume_id)).status == "backing-up":
                raise Conflict(f"Volume {device.volume_id} of instance {instance.uuid} is being copied. Cure: wait until it is not.")

    async def begin_with_parts(self, context: RequestContext, uuid: str, action: str, told: Mapping[str, Any]) -> Instance:
        """As ``act``, with what ``parts`` says of interfaces and volumes; the instance as it is then."""
        begin(await self.unlocked(context, uuid), action)
        return await self.ask_cell(context, uuid, "act", _asked(context, action, {}) | {"parts": told})

    async def call_cell(self, context: RequestContext, uuid: str, method: str, arguments: Mapping[str, Any]) -> Any:
        """Ask the cell that has a server, also one that is gone."""
        mapping = await self._store.run(_mapping_seen_by, context, uuid)
        if not mapping.cell:
            return None
        return await self._router.call(mapping.cell, method, {"uuid": uuid, **arguments}, self._settings.call_timeout_s)

    def watch(self, uuid: str) -> AbstractContextManager[Watch]:
        """Hear of a server until what is begun with it meanwhile has come to its end, or takes longer than calls do."""
        return self._waiting.watch(uuid, self._settings.call_timeout_s)

    async def create_image(self, context: RequestContext, uuid: str, name: str, properties: Mapping[str, str]) -> str:
        """See the port."""
        instance = await self.unlocked(context, uuid)
        begin(instance, "snapshot")
        if instance.boots_from_volume and self._volumes is not None:
            known = await self._snapshot_properties(context, instance, properties)
            return await image_of_volumes(self._volumes, self._images, context, instance, name, known)
        image = await self.queue_image(context, instance, name, properties)
        try:
            await self.ask_cell(context, uuid, "act", _asked(context, "snapshot", {"image_id": image.id}))
        except ComputeError:
            await self._images.delete(image.id)
            raise
        return image.id

    async def queue_image(self, context: RequestContext, instance: Instance, name: str, properties: Mapping[str, str]) -> Image:
        """An image of a server, which its host is to fill."""
        return await self._images.create(
            name,
            context.project_id,
            **SNAPSHOT_FORMAT,
            min_disk_gb=instance.flavor.root_gb,
            properties=await self._snapshot_properties(context, instance, properties),
        )

    async def query(self, context: RequestContext, uuid: str, question: str, **arguments: Any) -> Any:
        """See the port."""
        _, mapping = await self._store.run(_seen_by, context, uuid)
        asked = {"context": to_json(context), "uuid": uuid, "question": question, "arguments": arguments}
        return await self._router.call(_cell_of(mapping), "query", asked, self._settings.call_timeout_s)

    async def command(self, context: RequestContext, uuid: str, command: str, **arguments: Any) -> Any:
        """See the port."""
        instance = await self.unlocked(context, uuid)
        if instance.task_state is not None or instance.vm_state not in COMMANDED_LESS.get(command, COMMANDED):
            state = f"vm_state {instance.vm_state}" if instance.task_state is None else f"task_state {instance.task_state}"
            raise Conflict(f"Cannot '{command}' instance {uuid} while it is in {state}")
        return await self.query(context, uuid, command, **arguments)

    async def set_metadata(self, context: RequestContext, uuid: str, metadata: Mapping[str, str], *, replace: bool) -> Mapping[str, str]:
        """See the port."""
        instance = await self.get_server(context, uuid)
        self._check_metadata(len(metadata if replace else {**instance.metadata, **metadata}))
        change = {"added": dict(metadata), "removed": [], "replaces": replace}
        changed = await self.ask_cell(context, uuid, "change_metadata", change)
        return changed.metadata

    async def delete_metadata(self, context: RequestContext, uuid: str, key: str) -> None:
        """See the port."""
        await self.ask_cell(context, uuid, "change_metadata", {"added": {}, "removed": [key], "replaces": False})

    async def limits(self, context: RequestContext) -> Limits:
        """See the port."""
        return Limits(self._settings.quotas, await self._store.run(usages.of_project, context.project_id))

    async def take_news(self, cell: str, updates: list[dict[str, Any]]) -> list[tuple[str, int]]:
        """News from below; what is acknowledged of them, by uuid and sequence number."""
        news = [from_json(update["instance"], Instance) for update in updates]
        taken = await self._take(cell, news)
        for refused in taken.refused:
            await self._hand_over.try_elsewhere(refused)
        return [(copy.uuid, copy.update_seq) for copy in news]

    async def ask_cell(self, context: RequestContext, uuid: str, method: str, arguments: Mapping[str, Any]) -> Instance:
        """Have the cell that owns a server change it; the server as it is then, here as there."""
        _, mapping = await self._store.run(_seen_by, context, uuid)
        answer = await self._router.call(_cell_of(mapping), method, {"uuid": uuid, **arguments}, self._settings.call_timeout_s)
        changed = from_json(answer, Instance)
        await self._take(mapping.cell, [changed])
        return replace(changed, cell=mapping.cell)

    async def _take(self, cell: str, news: Sequence[Instance]) -> Taken:
        """Take news in. Images that shelved servers no longer need are given up first: so they are even if this is broken off.

        Volumes of servers that are gone are given back afterwards, which no news waits for.
        """
        left = await self._store.run(gone, cell, news)
        for image_id in await self._store.run(left_images, cell, news):
            with contextlib.suppress(NotFound):
                await self._images.delete(image_id)
        taken = await self._store.run(take_news, cell, news)
        self._waiting.tell(news)
        self._left.leave(left)
        return taken

    async def unlocked(self, context: RequestContext, uuid: str) -> Instance:
        """A server with which the caller may do something now. Conflict: it is locked."""
        instance = await self.get_server(context, uuid)
        self._check_lock(context, instance)
        return instance

    async def image(self, image_id: str) -> Image:
        """An image that a request names. Invalid: it is not there."""
        try:
            return await self._images.get(image_id)
        except NotFound as absence:
            raise Invalid(absence.message) from absence

    async def _snapshot_properties(self, context: RequestContext, instance: Instance, asked: Mapping[str, str]) -> dict[str, str]:
        """The base image's own properties, what the image is of, and what the user asks for."""
        try:
            found = (await self._images.get(instance.image_ref)).properties
        except NotFound:
            found = {}
        inherited = {key: value for key, value in found.items() if key not in OWN_PROPERTIES}
        origin = {"image_type": "snapshot", "instance_uuid": instance.uuid, "base_image_ref": instance.image_ref}
        return {**inherited, **origin, "user_id": context.user_id, **asked}

    def _check_metadata(self, count: int) -> None:
        if self._settings.quotas.metadata_items != UNLIMITED and count > self._settings.quotas.metadata_items:
            raise Forbidden(f"Maximum number of metadata items exceeds {self._settings.quotas.metadata_items}")

    def _check_lock(self, context: RequestContext, instance: Instance) -> None:
        if instance.is_locked and not context.is_admin:
            raise Conflict(f"Instance {instance.uuid} is locked")


def _asked(context: RequestContext, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"context": to_json(context), "action": action, "arguments": arguments}


def _cell_of(mapping: CellMapping) -> str:
    if not mapping.cell:
        raise Conflict(f"Instance {mapping.instance_uuid} is in no cell.")
    return mapping.cell


def _parts(connection: Connection, context: RequestContext, request: ServerRequest) -> tuple[Flavor, KeyPair | None]:
    """The flavor and the key of a request. Invalid where they are not there."""
    try:
        flavor = flavors.get(connection, request.flavor_id)
        key = None if request.key_name is None else keypairs.get(connection, context.user_id, request.key_name)
    except NotFound as absence:
        raise Invalid(absence.message) from absence
    return flavor, key


def _add(connection: Connection, drafts: Sequence[Instance], least: int, mapping: CellMapping, quotas: QuotaLimits) -> tuple[Instance, ...]:
    """Take the quota, write instances and mappings: all before any cell is told. Forbidden when fewer than ``least`` fit."""
    flavor, project_id = drafts[0].flavor, drafts[0].project_id
    count = how_many(len(drafts), flavor, usages.of_project(connection, project_id), quotas)
    if count < least or not usages.take(connection, project_id, usage_of(flavor, count), quotas):
        raise Forbidden("Quota exceeded for instances, cores or ram.")
    new = tuple(_placed(draft, mapping.cell) for draft in drafts[:count])
    instances.add(connection, new)
    mappings.add(connection, [replace(mapping, instance_uuid=instance.uuid) for instance in new])
    return new


def _placed(draft: Instance, cell: str) -> Instance:
    """With its cell; in error where there is none."""
    error = failed(NoValidHost("No valid host was found: there is no cell."), draft.created_at)
    return replace(draft, cell=cell) if cell else error(draft) or draft


def _seen_by(connection: Connection, context: RequestContext, uuid: str) -> tuple[Instance, CellMapping]:
    """A server that the caller may see, and its mapping. NotFound."""
    instance, mapping = instances.find(connection, uuid), mappings.find(connection, uuid)
    is_visible = instance is not None and not instance.is_deleted and (context.is_admin or instance.project_id == context.project_id)
    if instance is None or mapping is None or not is_visible:
        raise NotFound.of("Instance", uuid)
    return instance, mapping


def _mapping_seen_by(connection: Connection, context: RequestContext, uuid: str) -> CellMapping:
    """The mapping of a server that the caller may see, gone or not. NotFound."""
    instance, mapping = instances.find(connection, uuid), mappings.find(connection, uuid)
    if instance is None or mapping is None or not (context.is_admin or instance.project_id == context.project_id):
        raise NotFound.of("Instance", uuid)
    return mapping


def _mark_deleting(connection: Connection, uuid: str, now: str, now_s: float) -> None:
    """From now on it is being deleted, and its cell is told so until it says that it is gone."""
    instance, mapping = instances.get(connection, uuid), mappings.find(connection, uuid)
    if mapping is not None and not instance.is_deleted:
        mappings.put(connection, replace(mapping, is_deleting=True, is_settled=False, sent_at_s=now_s))
        instances.put(connection, replace(instance, task_state=DELETING, updated_at=now))
