"""The verbs' ``Machines`` over a XAPI's surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.hosts.machines import Neighbour

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi


class PoolMachines:
    """The machines of one XAPI's pool, for the duration of a call."""

    __slots__ = ("_called", "_pool")

    def __init__(self, called: Xapi) -> None:
        self._called = called
        self._pool = called.leader

    @property
    def pool_secret(self) -> str:
        """The secret by which hosts of the pool recognise one another."""
        return self._pool.sessions.pool_secret

    @property
    def is_emergency(self) -> bool:
        """Whether the host that was called is in emergency mode."""
        return self._called.stored_error is not None

    @property
    def stored_error(self) -> Failure | None:
        """Why the host that was called is in emergency mode."""
        return self._called.stored_error

    def neighbour(self, address: str) -> Neighbour | None:
        """The XAPI that answers at an address."""
        return self._pool.around.find(address)

    def is_known(self, address: str) -> bool:
        """Whether this process has a machine at an address."""
        return self._pool.around.is_known(address)

    def is_up(self, host: Id) -> bool:
        """Whether a host's XAPI can be reached."""
        return host not in self._pool.lost

    def obeys(self, host: Id) -> bool:
        """Whether a host accepts the pool's master."""
        machine = self._pool.around.machine(self._pool, host)
        return self.is_up(host) and (machine is None or machine.heeds(self._master_address))

    def tell_master(self, host: Id) -> None:
        """Tell a host who its master is."""
        machine = self._pool.around.machine(self._pool, host)
        if machine is not None:
            machine.heed(self._master_address)

    def set_master_of_caller(self, address: str) -> None:
        """Change the master in which the called host believes; the master itself does not change."""
        self._called.heed(address)

    @property
    def _master_address(self) -> str:
        return str(self._pool.world[self._pool.host]["address"])

    def lead_from(self, host: Id) -> None:
        """Let a host's machine answer for the pool."""
        self._pool.around.lead_from(self._pool, host)

    def forget_sessions(self) -> None:
        """End every session of the pool."""
        for session in list(self._pool.world.ids("session")):
            self._pool.sessions.end(session)

    def switch_off(self, host: Id) -> None:
        """Switch a machine off."""
        self._pool.around.switch(self._pool, host, is_on=False)

    def switch_on(self, host: Id) -> None:
        """Switch a machine on."""
        self._pool.around.switch(self._pool, host, is_on=True)

    def hang_up(self, host: Id) -> None:
        """End the connections to a host."""
        self.switch_off(host)
        self.switch_on(host)

    def join(self, pool: Neighbour, host: Id) -> None:
        """Let the machine answer as a host of another pool."""
        self._pool.around.join(self._pool, cast("Xapi", pool), host)

    def leave(self, host: Id) -> None:
        """Reset a machine to a pool of its own."""
        self._pool.around.leave(self._pool, host)

    def install(self, host: Id, release: str) -> None:
        """Install another release on a host."""
        self._pool.around.install(self._pool, host, release)
