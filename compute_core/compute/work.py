"""What operations and queries are given, and how an operation says that it ended well.

An operation raises whatever goes wrong; who runs it tells the cell. May not know the bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.compute.expected import Expected
from compute_core.compute.filtering import Filtering
from compute_core.compute.peers import Peers
from compute_core.compute.settings import AgentSettings
from compute_core.compute.vms import Vm, Vms
from compute_core.images.port import ImageStore
from compute_core.model.errors import ComputeError, NotFound
from compute_core.model.instances import Instance
from compute_core.networks.port import PortFilters
from compute_core.volumes.port import Attachments
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.locks import KeyedLocks
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import Targets


@dataclass(frozen=True, slots=True)
class Host:
    """The agent's host: the session on it, what is known of it, and what its servers are built from.

    ``filters`` is None where no flows of the switch keep anybody to anything.
    ``expected`` are the servers that come here; ``hurried`` those on their way elsewhere that are to go even if they stand still for it.
    ``guest_turns``: an agent in a guest is spoken to by one at a time, by the VM's ref.
    """

    settings: AgentSettings
    xapi: XenApi
    place: Place
    images: ImageStore
    cache: ImageCache
    vms: Vms
    peers: Peers
    targets: Targets
    volumes: Attachments | None = None
    networks: PortFilters | None = None
    filters: Filtering | None = None
    expected: Expected = field(default_factory=Expected)
    hurried: set[str] = field(default_factory=set)
    copies: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    guest_turns: KeyedLocks = field(default_factory=KeyedLocks)

    def vm(self, uuid: str) -> Vm:
        """The VM of a server. NotFound when it has none here."""
        vm = self.vms.get(uuid)
        if vm is None:
            raise NotFound(f"{self.settings.host} has no VM of instance {uuid}.")
        return vm


@dataclass(frozen=True, slots=True)
class Work:
    """One operation or query: on which server, with which arguments."""

    host: Host
    instance: Instance
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vm(self) -> str:
        """The ref of the server's VM. NotFound when it has none here."""
        return self.host.vm(self.instance.uuid).ref

    @property
    def admin_password(self) -> str:
        """Of the guest's administrator: "" for an operation that goes on after its agent was killed."""
        return str(self.arguments.get("admin_password", ""))


class LeftAs(ComputeError):
    """An operation has failed, and members of the instance are different for it; ``changes`` has them in their JSON form."""

    def __init__(self, message: str, changes: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.changes = changes


@dataclass(frozen=True, slots=True)
class Ending:
    """``power_state`` None: as the host says. ``changes``: members of the instance that are different now, in their JSON form.

    ``note`` is what there is to say of an operation that went well all the same.
    """

    power_state: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


Operation = Callable[[Work], Awaitable[Ending]]
Query = Callable[[Work], Awaitable[Any]]
