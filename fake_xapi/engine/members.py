"""A host of a pool other than its master: it answers at its own address, with the data that the pool shares.

Clients are sent to the master. Some calls are for the host itself: those of a local session, and the few that end emergency mode,
in which a host is while it cannot reach what it believes to be its master.
"""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.catalogue import datamodel
from fake_xapi.datamodel.failure import Failure
from fake_xapi.engine.dispatch import ASYNC_PREFIXES, dispatch
from fake_xapi.engine.sessions import Sessions
from fake_xapi.engine.xapi import Credential, Xapi
from fake_xapi.state.ids import Id

LOGINS_FOR_MASTERS = frozenset({"session.login_with_password", "session.slave_login"})
"""Calls that are let through, so that whoever logs in learns who the master is."""


class Member(Xapi):
    """Answers at the address of ``host``, of the pool that ``leader`` leads. Whatever it lacks itself is the leader's."""

    __slots__ = ("_leader", "_uuid", "master_address")

    def __init__(self, leader: Xapi, host: Id) -> None:  # super().__init__ would make what is shared here a second time
        self._leader = leader
        self.host = host
        self._uuid = leader.world.uuid(host)
        self.master_address: str = leader.world[leader.host]["address"]
        """Where it believes its master to be."""
        self.sessions = Sessions(self)

    def __getattr__(self, name: str) -> Any:
        """World, disks, tasks, settings and everything else that is not set here."""
        return getattr(self._leader, name)

    @property
    def is_master(self) -> bool:
        """Whether it answers for its pool."""
        return False

    @property
    def leader(self) -> Xapi:
        """The XAPI of the pool."""
        return self._leader

    @property
    def stored_error(self) -> Failure | None:
        """Why it is in emergency mode, None when it is not."""
        master = self._leader.host
        if self.master_address != self.world[master]["address"] or master in self.lost:
            return Failure("HOST_STILL_BOOTING")
        return Failure("HOST_UNKNOWN_TO_MASTER", self._uuid) if self.world.get(self.host) is None else None

    def heeds(self, address: str) -> bool:
        """Whether it believes that the host at an address is its master."""
        return self.master_address == address

    def heed(self, address: str) -> None:
        """Believe that the host at an address is the master."""
        self.master_address = address

    def set_password(self, password: str) -> None:
        """Change the only password of the pool's hosts."""
        self._leader.set_password(password)

    def dispatch(self, method: str, params: list[Any]) -> Any:
        """As any XAPI for the calls that a member serves; HOST_IS_SLAVE [master's address] or the stored error for all others."""
        if not method.startswith("system."):
            self._check_served(self._name(method))
        return dispatch(self, method, params)

    def _name(self, method: str) -> str:
        """The name of a message with a dot, in whatever form it was called."""
        bare = next((method.removeprefix(prefix) for prefix in ASYNC_PREFIXES if method.startswith(prefix)), method)
        message = self.personality.messages.get(bare)
        return message.wire_name if message is not None else method

    def _check_served(self, name: str) -> None:
        if name not in datamodel().emergency_calls and (error := self.stored_error) is not None:
            raise error
        if name not in datamodel().slave_whitelist or name in LOGINS_FOR_MASTERS:
            raise Failure("HOST_IS_SLAVE", self.master_address)

    def authorise(self, credential: Credential, action: str) -> Id:
        """A session of the pool serves on all of its hosts. Raises as the master does, and the stored error in emergency mode."""
        if (error := self.stored_error) is not None:
            raise error
        return super().authorise(credential, action)

    async def close(self) -> None:
        """Do nothing: what runs belongs to the pool."""
