"""What the REST API asks of the top of the cell tree. Every method checks that the caller may see what it names.

A server of another project is ``NotFound`` to whoever is no admin; what only an admin may do is ``Forbidden`` to others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from compute_core.cells.aggregate_port import Aggregates
from compute_core.cells.host_port import HostCare
from compute_core.cells.upkeep_port import HostTending
from compute_core.model.flavors import Flavor
from compute_core.model.hosts import AvailabilityZone, ComputeNode, Service
from compute_core.model.instance_actions import InstanceAction
from compute_core.model.instances import Instance, Vif, VmState
from compute_core.model.keypairs import KeyPair
from compute_core.model.limits import Limits
from compute_core.model.migrations import Migration, MigrationFilters
from compute_core.model.networks import Wish
from compute_core.model.requests import RebuildRequest, RequestContext, ServerFilters, ServerRequest
from compute_core.model.volumes import BlockDevice


class Servers(Protocol):
    """Servers of all cells, as one."""

    async def create_servers(self, context: RequestContext, request: ServerRequest) -> tuple[Instance, ...]:
        """Begin to build ``max_count`` servers, or as many above ``min_count`` as the quota allows. Invalid, Forbidden (quota)."""

    async def list_servers(self, context: RequestContext, filters: ServerFilters) -> tuple[Instance, ...]:
        """One page. Without a project in the filters an admin gets all projects' servers, anybody else their own."""

    async def get_server(self, context: RequestContext, uuid: str) -> Instance:
        """One server."""

    async def update_server(self, context: RequestContext, uuid: str, **changes: Any) -> Instance:
        """Change name, description, hostname, disk_config, access_ip_v4 or access_ip_v6."""

    async def delete_server(self, context: RequestContext, uuid: str) -> None:
        """Begin to delete, softly where the installation does so; again is fine until it is gone."""

    async def act(self, context: RequestContext, uuid: str, action: str, **arguments: Any) -> None:
        """Begin one of ``model.transitions.ACTIONS``; Conflict where the state forbids it."""

    async def create_image(self, context: RequestContext, uuid: str, name: str, properties: Mapping[str, str]) -> str:
        """Begin a snapshot; the id of the image that is being made."""

    async def create_backup(
        self, context: RequestContext, uuid: str, name: str, kind: str, rotation: int, properties: Mapping[str, str]
    ) -> str:  # fmt: skip
        """As ``create_image``; of the server's backups of this kind only the newest ``rotation`` are left then."""

    async def create_incremental_backup(
        self, context: RequestContext, uuid: str, name: str, rotation: int, *, is_full: bool, properties: Mapping[str, str]
    ) -> str:  # fmt: skip
        """As ``create_image``, with what has changed since the last one of this kind, unless ``is_full``.

        Of these the newest ``rotation`` are left, and what they need; 0: all.
        """

    async def query(self, context: RequestContext, uuid: str, question: str, **arguments: Any) -> Any:
        """What only the server's host can tell: one of the agents' queries. Conflict without a host that answers."""

    async def force_delete(self, context: RequestContext, uuid: str) -> None:
        """Begin to delete for good, also what could be restored."""

    async def lock_server(self, context: RequestContext, uuid: str, reason: str | None) -> None:
        """Let nobody but an admin change it."""

    async def unlock_server(self, context: RequestContext, uuid: str) -> None:
        """Let others change it again; Forbidden where an admin has locked it and the caller is none."""

    async def rescue_server(self, context: RequestContext, uuid: str, image_ref: str | None, admin_password: str) -> None:
        """Begin to run another VM in its place, from an image of its own (None: the server's), with the server's disk beside."""

    async def rebuild_server(self, context: RequestContext, uuid: str, request: RebuildRequest) -> Instance:
        """Begin to make it anew from an image; its interfaces and identity stay. The server as it will be."""

    async def shelve_server(self, context: RequestContext, uuid: str) -> None:
        """Begin to stop it and keep its disk as an image; its cell then takes it off its host, by and by."""

    async def unshelve_server(self, context: RequestContext, uuid: str, zone: str | None) -> None:
        """Begin to bring it back, in a zone (None: where it was) when it has no host."""

    async def restore_server(self, context: RequestContext, uuid: str) -> None:
        """Begin to bring back what was deleted softly. Forbidden (quota)."""

    async def reset_state(self, context: RequestContext, uuid: str, vm_state: VmState) -> None:
        """Say by hand what state it is in."""

    async def tell_host(self, context: RequestContext, uuid: str, news: str, **arguments: Any) -> None:
        """Let the agent of its host know of something that has happened elsewhere."""

    async def list_actions(self, context: RequestContext, uuid: str) -> tuple[InstanceAction, ...]:
        """What was asked of it, the newest first; also when it is gone."""

    async def resize_server(self, context: RequestContext, uuid: str, flavor_id: str, disk_config: str | None = None) -> None:
        """Begin to give it another size, on whichever host has room. Invalid (flavor), Forbidden (quota), NoValidHost."""

    async def migrate_server(self, context: RequestContext, uuid: str, host: str | None) -> None:
        """Begin to take it to another host (None: the scheduler's choice), halted on the way. Invalid, NoValidHost."""

    async def live_migrate_server(self, context: RequestContext, uuid: str, host: str | None, *, moves_disks: bool | None) -> None:
        """Begin to take it to another host while it runs, with its disks or without (None: as need be). Invalid, NoValidHost."""

    async def evacuate_server(self, context: RequestContext, uuid: str, host: str | None, admin_password: str) -> None:
        """Begin to build it again elsewhere, since its host is gone. Invalid: the host is not. NoValidHost."""

    async def list_migrations(self, context: RequestContext, filters: MigrationFilters) -> tuple[Migration, ...]:
        """Every cell's migrations, the newest first."""

    async def server_migrations(self, context: RequestContext, uuid: str) -> tuple[Migration, ...]:
        """The live migrations of a server that are under way."""

    async def steer_migration(self, context: RequestContext, uuid: str, number: int, control: str) -> None:
        """Bend a live migration that is under way: one of the agents' controls. NotFound, Invalid, Conflict."""

    async def command(self, context: RequestContext, uuid: str, command: str, **arguments: Any) -> Any:
        """Have the server's host do something at once that changes no state; as ``query``, and Conflict while it is locked or busy."""

    async def attach_volume(
        self, context: RequestContext, uuid: str, volume_id: str, *, device: str | None, tag: str | None, deletes_volume: bool
    ) -> BlockDevice:
        """Begin to give it a volume, as a certain disk (None: the next). Invalid, NotFound (volume), Forbidden (too many)."""

    async def detach_volume(self, context: RequestContext, uuid: str, volume_id: str) -> None:
        """Begin to take a volume away. NotFound, Forbidden (it boots from it)."""

    async def swap_volume(self, context: RequestContext, uuid: str, volume_id: str, new_id: str) -> None:
        """Begin to put a volume in another's place, with what is on that. NotFound, Invalid (taken, too small, shared)."""

    async def keep_volume(self, context: RequestContext, uuid: str, volume_id: str, *, deletes_volume: bool) -> None:
        """Say whether a volume is deleted with it."""

    async def attach_interface(self, context: RequestContext, uuid: str, wish: Wish) -> Vif:
        """Plug it into a network, or begin to, where that takes long. Conflict (port, address), Invalid, NotFound (network, port)."""

    async def detach_interface(self, context: RequestContext, uuid: str, port_id: str) -> None:
        """Take an interface away, or begin to; its port too, unless somebody has made it himself. NotFound."""

    async def change_password(self, context: RequestContext, uuid: str, admin_password: str) -> None:
        """Give its guest another password; what the owner of its key can read is kept. Conflict: no agent in the guest takes it."""

    async def forget_password(self, context: RequestContext, uuid: str) -> None:
        """Keep no password for the owner of its key."""

    async def set_metadata(self, context: RequestContext, uuid: str, metadata: Mapping[str, str], *, replace: bool) -> Mapping[str, str]:
        """Add to the metadata, or put it in place of what is there; the whole of it afterwards."""

    async def delete_metadata(self, context: RequestContext, uuid: str, key: str) -> None:
        """Remove one item; NotFound when it is not there."""


class Catalogue(Protocol):
    """What servers are made of."""

    async def list_flavors(self, context: RequestContext) -> tuple[Flavor, ...]:
        """Every flavor, by id; an admin sees those that are not public as well."""

    async def get_flavor(self, context: RequestContext, flavor_id: str) -> Flavor:
        """One flavor by its id."""

    async def create_flavor(self, context: RequestContext, flavor: Flavor) -> Flavor:
        """Add a flavor; an empty id gets a uuid. Conflict when id or name is taken."""

    async def delete_flavor(self, context: RequestContext, flavor_id: str) -> None:
        """Forget a flavor; servers keep theirs."""

    async def set_extra_specs(self, context: RequestContext, flavor_id: str, specs: Mapping[str, str]) -> Mapping[str, str]:
        """Add extra specs; all of them afterwards."""

    async def delete_extra_spec(self, context: RequestContext, flavor_id: str, key: str) -> None:
        """Remove one extra spec; NotFound when it is not there."""

    async def list_keypairs(self, context: RequestContext) -> tuple[KeyPair, ...]:
        """The caller's key pairs, by name."""

    async def get_keypair(self, context: RequestContext, name: str) -> KeyPair:
        """One of the caller's key pairs."""

    async def create_keypair(
        self, context: RequestContext, name: str, public_key: str | None = None, kind: str = "ssh"
    ) -> tuple[KeyPair, str | None]:
        """Take the caller's public key, or make a pair: then the private key comes with it and is not kept. Conflict, Invalid."""

    async def delete_keypair(self, context: RequestContext, name: str) -> None:
        """Forget one of the caller's key pairs."""


class Hosts(Protocol):
    """What an operator looks at, and the project's limits."""

    async def list_services(self, context: RequestContext) -> tuple[Service, ...]:
        """Every agent of every cell that answers."""

    async def set_service(
        self,
        context: RequestContext,
        uuid: str,
        *,
        is_enabled: bool | None = None,
        disabled_reason: str | None = None,
        is_forced_down: bool | None = None,
    ) -> Service:
        """Take an agent in or out of use; None leaves as it is."""

    async def list_hosts(self, context: RequestContext, names: Collection[str] | None = None) -> tuple[ComputeNode, ...]:
        """Every host of every cell that answers, or those of them that have one of these names."""

    async def availability_zones(self, context: RequestContext) -> tuple[AvailabilityZone, ...]:
        """Every zone, its hosts for an admin only."""

    async def has_zone(self, name: str) -> bool:
        """Whether a zone is there and has a host in use."""

    async def limits(self, context: RequestContext) -> Limits:
        """The caller's project: what it may use and what it does."""


class ComputeApi(Servers, Catalogue, Hosts, Aggregates, HostCare, HostTending, Protocol):
    """All of it: what ``ApiCell`` is to the REST API."""
