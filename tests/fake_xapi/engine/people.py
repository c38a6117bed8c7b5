"""A XAPI whose host has joined a domain, with a user for each role, and users in all sorts of trouble."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fake_xapi.engine.settings import Settings
from fake_xapi.fleet.accounts import Account, Accounts, hash_password
from fake_xapi.fleet.roles import create_roles
from tests.fake_xapi.engine.kit import Kit, over_xapi

T = TypeVar("T")
ROLES = ("pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "client-cert", "read-only")
PASSWORD = "Correct horse"
DOMAIN = "example.com"
JOINER = {"user": "Administrator", "pass": PASSWORD}
_HASH = hash_password(PASSWORD, cost=1 << 10)


def _user(name: str, *groups: str, **flags: bool) -> Account:
    return Account(name, _HASH, f"{name} of {DOMAIN}", groups, **flags)


def directory() -> Accounts:
    """Users named by the roles that they get, others with a story, and groups in groups."""
    people = [
        *(_user(f"{role}-user") for role in ROLES),
        _user("nested", "inner"),
        _user("both", "inner", "reader"),
        _user("stranger"),
        _user("roleless"),
        *(_user(flag, "reader", **{flag: True}) for flag in ("disabled", "expired", "locked", "password_expired")),
        Account("inner", groups=("outer",), is_group=True),
        Account("outer", groups=("inner",), is_group=True),
        Account("reader", is_group=True),
    ]
    return Accounts(DOMAIN, "EXAMPLE", {"Administrator": _HASH}, people)


@dataclass(slots=True)
class People:
    """The kit, and ways to log in."""

    kit: Kit
    directory: Accounts

    async def login(self, name: str, password: str = PASSWORD) -> str:
        """The session of a user."""
        return str(await self.kit.raw("session.login_with_password", name, password))

    async def refused(self, name: str, password: str = PASSWORD) -> list[str]:
        """Why a user is not let in."""
        return await self.kit.raw_refused("session.login_with_password", name, password)

    def role(self, name: str) -> str:
        """The ref of a role."""
        return self.kit.world.ref(self.kit.world.named("role", name)[0])

    async def let_in(self, name: str, *roles: str) -> str:
        """A subject with roles; its ref."""
        subject = str(await self.kit.call("subject.create", {"subject_identifier": self.directory.find(name), "other_config": {}}))
        for role in roles:
            await self.kit.call("subject.add_to_roles", subject, self.role(role))
        return subject


def over_people(body: Callable[[People], Awaitable[T]], release: str = "latest", settings: Settings | None = None) -> T:
    """Run a test's body over a XAPI whose pool has joined the domain and lets in a user of each role."""
    known = directory()

    async def main(kit: Kit) -> T:
        people = People(kit, known)
        with kit.world.edit() as edit:
            create_roles(edit, kit.world.personality)
            edit.set(next(kit.world.ids("pool")), master=kit.xapi.host)
        await kit.call("pool.enable_external_auth", pool(kit), JOINER, DOMAIN, "AD")
        for role in ROLES:
            if kit.world.named("role", role):
                await people.let_in(f"{role}-user", role)
        for group, role in (("outer", "vm-admin"), ("reader", "read-only")):
            await people.let_in(group, role)
        await people.let_in("roleless")
        return await body(people)

    return over_xapi(main, release, replace(settings or Settings(), directory=known))


def pool(kit: Kit) -> Any:
    """The ref of the pool."""
    return kit.world.ref(next(kit.world.ids("pool")))
