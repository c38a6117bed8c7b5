"""The API cell: the top of the tree. What the REST API asks is answered here; what the cells below report arrives here."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from compute_core.bus.port import Bus, Serving
from compute_core.cells.aggregates import CellAggregates
from compute_core.cells.capacity import CellCapacity
from compute_core.cells.catalogue import Flavors, KeyPairs
from compute_core.cells.cell_upkeep import CellUpkeep
from compute_core.cells.hand_over import HandOver
from compute_core.cells.host_operations import HostOperations
from compute_core.cells.loops import Loops
from compute_core.cells.overview import Overview
from compute_core.cells.routing import Router, topic_of
from compute_core.cells.server_backups import ServerBackups
from compute_core.cells.server_interfaces import ServerInterfaces
from compute_core.cells.server_life import ServerLife
from compute_core.cells.server_moves import ServerMoves
from compute_core.cells.server_passwords import ServerPasswords
from compute_core.cells.server_volumes import ServerVolumes
from compute_core.cells.servers import CellServers
from compute_core.cells.settings import ApiCellSettings
from compute_core.cells.tenant_usage import TenantUsage
from compute_core.images.port import ImageStore
from compute_core.model.clock import Clock
from compute_core.model.json import from_json
from compute_core.networks.port import Networks
from compute_core.store.port import Store
from compute_core.volumes.port import Volumes


@dataclass(frozen=True, slots=True)
class BackingServices:
    """What the top of the tree stands on beside its cells; None: there is none."""

    images: ImageStore
    volumes: Volumes | None = None
    networks: Networks | None = None


class ApiCell:
    """The top; ``start`` before use, ``close`` after. ``chance`` makes uuids and draws among cells; see ``port.ComputeApi``."""

    def __init__(
        self, settings: ApiCellSettings, store: Store, bus: Bus, services: BackingServices, clock: Clock, chance: Random
    ) -> None:  # fmt: skip
        images, volumes, networks = services.images, services.volumes, services.networks
        self._settings = settings
        self._bus = bus
        self._router = Router(bus, settings.name)
        self._hand_over = HandOver(settings, store, self._router, clock, chance)
        self._servers = CellServers(settings, store, self._router, self._hand_over, images, clock, chance, volumes=volumes)
        self._flavors = Flavors(store, chance)
        keys = KeyPairs(store, clock, settings.quotas.key_pairs)
        overview = Overview(self._router, settings.child_paths, settings.overview_timeout_s)
        self._loops = Loops()
        self._serving: Serving | None = None
        self._take_over_servers(self._servers)
        self._take_over_backups(ServerBackups(self._servers, images))
        self._take_over(ServerLife(settings, store, self._servers, images, clock))
        self._take_over_moves(ServerMoves(settings, store, self._router, self._servers, images))
        self._take_over_volumes(ServerVolumes(self._servers, volumes))
        self._take_over_interfaces(ServerInterfaces(self._servers, networks))
        self._take_over_passwords(ServerPasswords(self._servers))
        self._take_over_catalogue(self._flavors)
        self._take_over_overview(keys, overview)
        self._take_over_aggregates(CellAggregates(settings, store, self._router, overview, clock, chance))
        self._take_over_hosts(
            HostOperations(self._router, settings.child_paths, images, settings.call_timeout_s, settings.overview_timeout_s),
            TenantUsage(store),
        )
        upkeep = CellUpkeep(self._router, settings)
        self.list_upkeep = upkeep.list_upkeep
        self.tend_host = upkeep.tend_host

    def _take_over_servers(self, servers: CellServers) -> None:
        self.create_servers = servers.create_servers
        self.list_servers = servers.list_servers
        self.get_server = servers.get_server
        self.update_server = servers.update_server
        self.delete_server = servers.delete_server
        self.act = servers.act
        self.create_image = servers.create_image
        self.force_delete = servers.force_delete
        self.query = servers.query
        self.command = servers.command
        self.set_metadata = servers.set_metadata
        self.delete_metadata = servers.delete_metadata
        self.limits = servers.limits

    def _take_over_catalogue(self, flavors: Flavors) -> None:
        self.list_flavors = flavors.list_flavors
        self.get_flavor = flavors.get_flavor
        self.create_flavor = flavors.create_flavor
        self.delete_flavor = flavors.delete_flavor
        self.set_extra_specs = flavors.set_extra_specs
        self.delete_extra_spec = flavors.delete_extra_spec

    def _take_over_overview(self, keys: KeyPairs, overview: Overview) -> None:
        self.list_keypairs = keys.list_keypairs
        self.get_keypair = keys.get_keypair
        self.create_keypair = keys.create_keypair
        self.delete_keypair = keys.delete_keypair
        self.list_services = overview.list_services
        self.set_service = overview.set_service
        self.list_hosts = overview.list_hosts
        self.availability_zones = overview.availability_zones
        self.has_zone = overview.has_zone

    def _take_over_hosts(self, hosts: HostOperations, tenants: TenantUsage) -> None:
        self.servers_of_time = tenants.servers_of_time
        self.list_usages = hosts.list_usages
        self.ask_host = hosts.ask_host
        self.cache_images = hosts.cache_images

    def _take_over_aggregates(self, aggregates: CellAggregates) -> None:
        self._aggregates = aggregates
        self.list_aggregates = aggregates.list_aggregates
        self.get_aggregate = aggregates.get_aggregate
        self.create_aggregate = aggregates.create_aggregate
        self.update_aggregate = aggregates.update_aggregate
        self.delete_aggregate = aggregates.delete_aggregate
        self.set_aggregate_metadata = aggregates.set_aggregate_metadata
        self.add_aggregate_host = aggregates.add_aggregate_host
        self.remove_aggregate_host = aggregates.remove_aggregate_host

    def _take_over(self, life: ServerLife) -> None:
        self.lock_server = life.lock_server
        self.unlock_server = life.unlock_server
        self.rescue_server = life.rescue_server
        self.rebuild_server = life.rebuild_server
        self.shelve_server = life.shelve_server
        self.unshelve_server = life.unshelve_server
        self.restore_server = life.restore_server
        self.reset_state = life.reset_state
        self.tell_host = life.tell_host
        self.list_actions = life.list_actions

    def _take_over_backups(self, backups: ServerBackups) -> None:
        self.create_backup = backups.create_backup
        self.create_incremental_backup = backups.create_incremental_backup

    def _take_over_passwords(self, passwords: ServerPasswords) -> None:
        self.change_password = passwords.change_password
        self.forget_password = passwords.forget_password

    def _take_over_moves(self, moves: ServerMoves) -> None:
        self.resize_server = moves.resize_server
        self.migrate_server = moves.migrate_server
        self.live_migrate_server = moves.live_migrate_server
        self.evacuate_server = moves.evacuate_server
        self.list_migrations = moves.list_migrations
        self.server_migrations = moves.server_migrations
        self.steer_migration = moves.steer_migration

    def _take_over_volumes(self, volumes: ServerVolumes) -> None:
        self.attach_volume = volumes.attach_volume
        self.detach_volume = volumes.detach_volume
        self.keep_volume = volumes.keep_volume
        self.swap_volume = volumes.swap_volume

    def _take_over_interfaces(self, interfaces: ServerInterfaces) -> None:
        self.attach_interface = interfaces.attach_interface
        self.detach_interface = interfaces.detach_interface

    async def start(self) -> None:
        """Serve the cells below, and send again what they have not answered."""
        await self._flavors.open()
        local = {"updates": self._updates, "capacity": self._capacity}
        self._serving = await self._bus.serve(topic_of(self._settings.name), self._router.endpoints(local))
        self._loops.every(f"{self._settings.name} hand-over", self._settings.hand_over_retry_s, self._hand_over.send_again)
        self._loops.every(f"{self._settings.name} aggregates", self._settings.hand_over_retry_s, self._aggregates.tell_again)
        self._loops.every(f"{self._settings.name} pools", self._settings.pools_look_s, self._aggregates.settle)

    async def close(self) -> None:
        """Stop serving and end the loops."""
        if self._serving is not None:
            await self._serving.close()
            self._serving = None
        await self._loops.close()
        await self._servers.close()

    async def _updates(self, cell: str, updates: list[dict[str, Any]]) -> list[tuple[str, int]]:
        return await self._servers.take_news(cell, updates)

    async def _capacity(self, cell: str, room: Any) -> None:
        self._hand_over.heard_capacity(cell, from_json(room, CellCapacity))
