"""The embedded identity service: users and their roles come from the settings, tokens live in memory.

Neither a password nor a token is kept as such: passwords as scrypt hashes, tokens under their SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from compute_core.identity.port import IMPLIED_ROLES, Credentials, Project, Scope, Token, Unauthorized, User
from compute_core.model.clock import Clock
from compute_core.model.errors import NotFound
from compute_core.settings import Account

_NAMESPACE = uuid.UUID("5a1f7e0c-6a0e-5b7c-9c57-0d4a3c1f2e11")
_REFUSAL = "The request you have made requires authentication."
_SWEEP_EVERY = 256


def identity_of(kind: str, name: str) -> str:
    """The id of a user or project: the same at every start, so that servers keep their owners."""
    return uuid.uuid5(_NAMESPACE, f"{kind}:{name}").hex


@dataclass(frozen=True, slots=True)
class _Hash:
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str) -> _Hash:
        salt = secrets.token_bytes(16)
        return cls(salt, _scrypt(password, salt))

    def fits(self, password: str) -> bool:
        return hmac.compare_digest(self.digest, _scrypt(password, self.salt))


def _scrypt(password: str, salt: bytes) -> bytes:
    # 4 MiB and about 10 ms: the hashes never leave this process, and the loop waits for them.
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 12, r=8, p=1)


class EmbeddedIdentity:
    """Users, projects and roles from accounts: one account is one user's roles in one project."""

    def __init__(self, accounts: Iterable[Account], clock: Clock, *, token_life_s: float) -> None:
        self._clock = clock
        self._life = timedelta(seconds=token_life_s)
        self._users: dict[str, User] = {}
        self._projects: dict[str, Project] = {}
        self._hashes: dict[str, _Hash] = {}
        self._roles: dict[tuple[str, str], tuple[str, ...]] = {}
        self._tokens: dict[str, Token] = {}
        self._nobody = _Hash.of(secrets.token_urlsafe())
        for account in accounts:
            self._enrol(account)

    async def issue(self, credentials: Credentials) -> tuple[str, Token]:
        """A new token, when the credentials are proved and the user has a role in the scope."""
        user, methods = await self._prove(credentials)
        project = None if credentials.scope is None else self._project(credentials.scope)
        roles = () if project is None else self._roles.get((user.id, project.id), ())
        if project is not None and not roles:
            raise Unauthorized(_REFUSAL)
        now = self._clock.now()
        token = Token(user, project, roles, methods, secrets.token_urlsafe(16), now, now + self._life)
        if credentials.token is not None:  # A token made from a token lives no longer than that.
            token = replace(token, expires_at=(await self.validate(credentials.token)).expires_at)
        return self._store(token), token

    async def validate(self, secret: str) -> Token:
        """What a token stands for, while it lives."""
        token = self._tokens.get(_key(secret))
        if token is None or token.expires_at <= self._clock.now():
            raise Unauthorized(_REFUSAL)
        return token

    async def revoke(self, secret: str) -> None:
        """End a token now."""
        self._tokens.pop(_key(secret), None)

    async def users(self) -> tuple[User, ...]:
        """All users, as the settings list them."""
        return tuple(self._users.values())

    async def projects(self, user_id: str | None = None) -> tuple[Project, ...]:
        """All projects, or a user's own."""
        if user_id is None:
            return tuple(self._projects.values())
        return tuple(project for project in self._projects.values() if (user_id, project.id) in self._roles)

    def _enrol(self, account: Account) -> None:
        user = User(identity_of("user", account.user), account.user)
        project = Project(identity_of("project", account.project), account.project)
        self._users[user.id] = user
        self._projects[project.id] = project
        if user.id not in self._hashes:
            self._hashes[user.id] = _Hash.of(account.password)
        granted = dict.fromkeys(role for name in account.roles for role in IMPLIED_ROLES.get(name, (name,)))
        self._roles[user.id, project.id] = tuple(granted)

    async def _prove(self, credentials: Credentials) -> tuple[User, tuple[str, ...]]:
        if credentials.token is not None:
            known = await self.validate(credentials.token)
            return known.user, tuple(dict.fromkeys(("token", *known.methods)))
        user = self._user(credentials)
        # An unknown name costs the same time as a wrong password.
        is_proved = (self._hashes[user.id] if user else self._nobody).fits(credentials.password)
        if user is None or not is_proved:
            raise Unauthorized(_REFUSAL)
        return user, ("password",)

    def _user(self, credentials: Credentials) -> User | None:
        return self._users.get(credentials.user_id or identity_of("user", credentials.user_name or ""))

    def _project(self, scope: Scope) -> Project | None:
        project = self._projects.get(scope.project_id or identity_of("project", scope.project_name or ""))
        if project is None:
            raise Unauthorized(_REFUSAL)
        return project

    def _store(self, token: Token) -> str:
        if len(self._tokens) % _SWEEP_EVERY == _SWEEP_EVERY - 1:
            now = self._clock.now()
            self._tokens = {key: known for key, known in self._tokens.items() if known.expires_at > now}
        secret = secrets.token_urlsafe(32)
        self._tokens[_key(secret)] = token
        return secret

    def project(self, project_id: str) -> Project:
        """One project by id."""
        if project_id not in self._projects:
            raise NotFound(f"Could not find project: {project_id}.")
        return self._projects[project_id]


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
