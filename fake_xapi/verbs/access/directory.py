"""The port to a directory service: who is who, in which groups, and whether a password is right.

XAPI asks it when external authentication is on. What stands behind it is an adapter's business; a pool without one has no directory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class DirectoryRefusal(Exception):
    """Why a directory does not let a host join or leave: ``tag`` is the end of XAPI's error code ("WRONG_CREDENTIALS")."""

    def __init__(self, tag: str, message: str) -> None:
        super().__init__(tag, message)
        self.tag = tag
        self.message = message


@dataclass(frozen=True, slots=True)
class Entry:
    """A user or a group. ``groups`` are the identifiers of those that it is a member of directly."""

    identifier: str
    name: str
    is_group: bool = False
    full_name: str = ""
    groups: tuple[str, ...] = ()
    is_disabled: bool = False
    is_expired: bool = False
    is_locked: bool = False
    is_password_expired: bool = False

    @property
    def is_suspended(self) -> bool:
        """Whether the user may not log in, though it is known."""
        return self.is_disabled or self.is_expired or self.is_locked or self.is_password_expired


class Directory(Protocol):
    """A directory service of one domain."""

    @property
    def auth_type(self) -> str:
        """XAPI's name of its kind: "AD"."""
        ...

    def join(self, service_name: str, config: Mapping[str, str]) -> Mapping[str, str]:
        """Let a host join the domain of that name with the credentials of ``config``; DirectoryRefusal when it may not.

        What the host keeps of it, ``external_auth_configuration``: no password is among it.
        """
        ...

    def leave(self, config: Mapping[str, str]) -> None:
        """Let a host leave; without credentials it just goes. DirectoryRefusal when they are wrong."""
        ...

    def authenticate(self, name: str, password: str) -> str:
        """The identifier of the user with that name and password, "" when there is none."""
        ...

    def find(self, name: str) -> str:
        """The identifier of a user or group by any form of its name, "" when there is none."""
        ...

    def entry(self, identifier: str) -> Entry | None:
        """What is known of an identifier."""
        ...

    def information(self, entry: Entry) -> Mapping[str, str]:
        """An entry as XAPI keeps it in ``subject.other_config``."""
        ...

    def groups(self, identifier: str) -> Sequence[str]:
        """The groups of an entry, those of its groups included; empty for an identifier that is none."""
        ...
