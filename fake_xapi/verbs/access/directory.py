"""The port to a directory service: identities, groups, and the verification of passwords.

XAPI uses it when external authentication is on. An adapter decides what stands behind it; a pool without one has no directory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class DirectoryRefusal(Exception):
    """The reason why a directory does not let a host join or leave: ``tag`` ends XAPI's error code ("WRONG_CREDENTIALS")."""

    def __init__(self, tag: str, message: str) -> None:
        super().__init__(tag, message)
        self.tag = tag
        self.message = message


@dataclass(frozen=True, slots=True)
class Entry:
    """A user or a group. ``groups`` are the identifiers of the groups that directly contain it."""

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
        """Whether the user is known but may not log in."""
        return self.is_disabled or self.is_expired or self.is_locked or self.is_password_expired


class Directory(Protocol):
    """The directory service of one domain."""

    @property
    def auth_type(self) -> str:
        """XAPI's name for its kind: "AD"."""
        ...

    def join(self, service_name: str, config: Mapping[str, str]) -> Mapping[str, str]:
        """Let a host join the domain with that name, using the credentials in ``config``; DirectoryRefusal when it may not.

        Returns what the host keeps of it in ``external_auth_configuration``, without passwords.
        """
        ...

    def leave(self, config: Mapping[str, str]) -> None:
        """Let a host leave; without credentials it leaves silently. DirectoryRefusal when they are wrong."""
        ...

    def authenticate(self, name: str, password: str) -> str:
        """The identifier of the user with that name and password, "" when there is none."""
        ...

    def find(self, name: str) -> str:
        """The identifier of a user or group by any form of its name, "" when there is none."""
        ...

    def entry(self, identifier: str) -> Entry | None:
        """The entry with that identifier."""
        ...

    def information(self, entry: Entry) -> Mapping[str, str]:
        """An entry as XAPI keeps it in ``subject.other_config``."""
        ...

    def groups(self, identifier: str) -> Sequence[str]:
        """The groups that contain an entry, directly or through other groups; empty for an unknown identifier."""
        ...
