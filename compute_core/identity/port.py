"""What the rest of the core asks of an identity service, whoever provides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from compute_core.model.errors import ComputeError

DOMAIN_ID, DOMAIN_NAME = "default", "Default"
"""The one domain."""

IMPLIED_ROLES: Mapping[str, tuple[str, ...]] = {
    "admin": ("admin", "manager", "member", "reader"),
    "manager": ("manager", "member", "reader"),
    "member": ("member", "reader"),
    "reader": ("reader",),
    "service": ("service",),
}
"""What a role that was assigned stands for, as in Keystone's own default roles."""


class Unauthorized(ComputeError):
    """Nobody whom the service knows; says nothing of what was wrong."""

    status = 401
    name = "unauthorized"


@dataclass(frozen=True, slots=True)
class Project:
    """A project: what servers and images belong to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A user, without any secret."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The project that a token is asked for: by id or by name."""

    project_id: str | None = None
    project_name: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who somebody says they are: a user (by id or name) with a password, or a token that they hold already."""

    user_id: str | None = None
    user_name: str | None = None
    password: str = field(default="", repr=False)
    token: str | None = field(default=None, repr=False)
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """What a token stands for. ``project`` is None when it is unscoped; the secret itself is not in here."""

    user: User
    project: Project | None
    roles: tuple[str, ...]
    methods: tuple[str, ...]
    audit_id: str
    issued_at: datetime
    expires_at: datetime


class Identity(Protocol):
    """Users, projects and tokens. Whatever a caller cannot prove is ``Unauthorized``."""

    async def issue(self, credentials: Credentials) -> tuple[str, Token]:
        """A new token for somebody who proves who they are: the secret, and what it stands for."""

    async def validate(self, secret: str) -> Token:
        """What a token stands for, while it lives."""

    async def revoke(self, secret: str) -> None:
        """End a token now; nothing happens when it has ended already."""

    async def users(self) -> tuple[User, ...]:
        """All users."""

    async def projects(self, user_id: str | None = None) -> tuple[Project, ...]:
        """All projects, or those in which a user has a role."""
