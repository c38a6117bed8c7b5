"""The surroundings of a XAPI: the machines of its pool, and other pools in the same process.

A fleet provides them; a XAPI without a fleet stands alone, on one machine that is always up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from fake_xapi.datamodel.failure import Failure
from fake_xapi.state.ids import Id
from fake_xapi.verbs.migrations.remote import Remote

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi


class Surroundings(Protocol):
    """Shared by all XAPIs of a process. A pool is identified by the XAPI that leads it, a machine by its host there."""

    def find(self, address: str) -> Xapi | None:
        """The XAPI that answers at an address, a pool's or a member's; None when nobody does."""
        ...

    def dial(self, address: str) -> Remote:
        """The pool at an address, wherever it is, as a client reaches it."""
        ...

    def fetch(self, url: str) -> AsyncIterator[bytes]:
        """The bytes behind a URL. CANNOT_CONTACT_HOST [address]; INVALID_VALUE ["url", url] for what is none."""
        ...

    def authority(self, pool: Xapi, address: str) -> str:
        """An address of a host of the pool, with the port at which others find it unless it is the usual one."""
        ...

    def is_known(self, address: str) -> bool:
        """Whether there is a machine at an address."""
        ...

    def machine(self, pool: Xapi, host: Id) -> Xapi | None:
        """What answers, or would if it were up, at a host's own address; None for a host without a machine."""
        ...

    def switch(self, pool: Xapi, host: Id, *, is_on: bool) -> None:
        """Switch a machine on or off."""
        ...

    def lead_from(self, pool: Xapi, host: Id) -> None:
        """Put a pool's XAPI at another of its hosts."""
        ...

    def join(self, joiner: Xapi, pool: Xapi, host: Id) -> None:
        """Let the machine of a pool of one answer as a host of another pool."""
        ...

    def leave(self, pool: Xapi, host: Id) -> None:
        """Let a machine begin anew as a pool of its own."""
        ...

    def install(self, pool: Xapi, host: Id, release: str) -> None:
        """Put another release on a machine; ValueError when there is none of that name."""
        ...


class Alone:
    """The surroundings of a XAPI without any."""

    def find(self, address: str) -> Xapi | None:  # noqa: ARG002  # as the protocol has it
        """Nobody is there."""
        return None

    def dial(self, address: str) -> Remote:
        """Nobody can be called."""
        raise Failure("CANNOT_CONTACT_HOST", address)

    def fetch(self, url: str) -> AsyncIterator[bytes]:
        """Nothing can be fetched."""
        raise Failure("CANNOT_CONTACT_HOST", url)

    def authority(self, pool: Xapi, address: str) -> str:  # noqa: ARG002  # as the protocol has it
        """The bare address."""
        return address

    def is_known(self, address: str) -> bool:  # noqa: ARG002  # as the protocol has it
        """Nobody is known."""
        return False

    def machine(self, pool: Xapi, host: Id) -> Xapi | None:
        """The XAPI itself at its own host."""
        return pool if host == pool.host else None

    def switch(self, pool: Xapi, host: Id, *, is_on: bool) -> None:
        """Nobody could tell."""

    def lead_from(self, pool: Xapi, host: Id) -> None:
        """Run on another host."""
        pool.host = host

    def join(self, joiner: Xapi, pool: Xapi, host: Id) -> None:  # noqa: ARG002  # as the protocol has it
        """Refuse: there is nobody to join."""
        raise Failure("JOINING_HOST_CONNECTION_FAILED")

    def leave(self, pool: Xapi, host: Id) -> None:
        """Nobody keeps what was there."""

    def install(self, pool: Xapi, host: Id, release: str) -> None:  # noqa: ARG002  # as the protocol has it
        """Be of another release."""
        pool.become(release)


ALONE = Alone()
