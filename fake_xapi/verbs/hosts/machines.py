"""What a verb may know and do about the machines under its pool: which are up, which are off, who leads, and other pools nearby.

The engine implements it; a XAPI that stands alone has one machine, which is up.
"""

from __future__ import annotations

from typing import Protocol

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World


class Neighbour(Protocol):
    """A XAPI of another pool in this process, reached at its address."""

    @property
    def world(self) -> World:
        """Its pool's database."""
        ...

    @property
    def disks(self) -> DiskStore:
        """The bytes of its VDIs."""
        ...

    @property
    def host(self) -> Id:
        """The host on which it runs."""
        ...

    @property
    def is_master(self) -> bool:
        """Whether it answers for its pool."""
        ...

    def admits(self, user: str, password: str) -> bool:
        """Whether these are the credentials of its local superuser."""
        ...


class Machines(Protocol):
    """The machines of a call's pool, and their surroundings."""

    @property
    def pool_secret(self) -> str:
        """The secret by which hosts of the pool recognise one another."""
        ...

    def neighbour(self, address: str) -> Neighbour | None:
        """The XAPI that answers at an address; None when nobody does."""
        ...

    @property
    def is_emergency(self) -> bool:
        """Whether the host that was called is in emergency mode."""
        ...

    @property
    def stored_error(self) -> Failure | None:
        """Why the host that was called is in emergency mode; None when it is not."""
        ...

    def is_known(self, address: str) -> bool:
        """Whether this process has a machine at an address, up or down."""
        ...

    def is_up(self, host: Id) -> bool:
        """Whether a host's XAPI can be reached."""
        ...

    def obeys(self, host: Id) -> bool:
        """Whether a host that can be reached regards the pool's master as its master."""
        ...

    def tell_master(self, host: Id) -> None:
        """Tell a host who its master is."""
        ...

    def set_master_of_caller(self, address: str) -> None:
        """Let the host that was called regard the host at an address as its master; whether it is one shows later."""
        ...

    def lead_from(self, host: Id) -> None:
        """Let a host's machine answer for the pool from now on; the others keep their old belief."""
        ...

    def forget_sessions(self) -> None:
        """End every session, since the pool's XAPI has restarted."""
        ...

    def switch_off(self, host: Id) -> None:
        """Switch a machine off: its connections end, new ones are refused."""
        ...

    def switch_on(self, host: Id) -> None:
        """Switch a machine on."""
        ...

    def hang_up(self, host: Id) -> None:
        """End the connections to a host, which can be reached again at once."""
        ...

    def join(self, pool: Neighbour, host: Id) -> None:
        """Let the caller's only machine answer as a host of another pool from now on."""
        ...

    def leave(self, host: Id) -> None:
        """Reset a host's machine to a pool of its own without any history."""
        ...

    def install(self, host: Id, release: str) -> None:
        """Install another release on a host; the pool's XAPI is that of its master. ValueError for an unknown release."""
        ...
