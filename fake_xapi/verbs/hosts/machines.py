"""What a verb may know and do of the machines under its pool: who answers, who is switched off, who leads, and other pools near by.

The engine implements it; a XAPI that stands alone has one machine, which is up.
"""

from __future__ import annotations

from typing import Protocol

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World


class Neighbour(Protocol):
    """A XAPI of another pool of this process, met at its address."""

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
        """The host that it runs on."""
        ...

    @property
    def is_master(self) -> bool:
        """Whether it answers for its pool."""
        ...

    def admits(self, user: str, password: str) -> bool:
        """Whether these are credentials of its local superuser."""
        ...


class Machines(Protocol):
    """The machines of a call's pool, and what is around them."""

    @property
    def pool_secret(self) -> str:
        """What hosts of the pool know one another by."""
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
        """Whether there is a machine at an address, up or down, that this process knows of."""
        ...

    def is_up(self, host: Id) -> bool:
        """Whether a host's XAPI can be reached."""
        ...

    def obeys(self, host: Id) -> bool:
        """Whether a host that can be reached takes the pool's master for its master."""
        ...

    def tell_master(self, host: Id) -> None:
        """Tell a host who its master is."""
        ...

    def set_master_of_caller(self, address: str) -> None:
        """Let the host that was called take the one at an address for its master; whether it is, is seen later."""
        ...

    def lead_from(self, host: Id) -> None:
        """Let a host's machine answer for the pool from now on; the others go on in the belief that they have."""
        ...

    def forget_sessions(self) -> None:
        """The pool's XAPI has begun anew: nobody is logged in any more."""
        ...

    def switch_off(self, host: Id) -> None:
        """Let a machine go down: its connections end, new ones are refused."""
        ...

    def switch_on(self, host: Id) -> None:
        """Let a machine answer again."""
        ...

    def join(self, pool: Neighbour, host: Id) -> None:
        """Let the caller's only machine answer as a host of another pool from now on."""
        ...

    def leave(self, host: Id) -> None:
        """Let a host's machine begin anew, as a pool of its own that remembers nothing."""
        ...

    def install(self, host: Id, release: str) -> None:
        """Put another release on a host; the pool's XAPI is of its master's. ValueError when there is none of that name."""
        ...
