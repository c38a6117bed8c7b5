"""The embedded identity service: who is who, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from compute_core.identity.embedded import EmbeddedIdentity, identity_of
from compute_core.identity.port import Credentials, Project, Scope, Unauthorized, User
from compute_core.model.clock import Clock
from compute_core.settings import Account
from fake_xapi.engine.virtual_time import run_virtual

ACCOUNTS = (
    Account("admin", "admin", ("admin",), "secret"),
    Account("demo", "demo", ("member",), "demo-secret"),
    Account("demo", "other", ("reader",), "demo-secret"),
)


def run(test: Callable[[EmbeddedIdentity], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = Clock.starting(datetime(2012, 8, 1, tzinfo=UTC))
        await test(EmbeddedIdentity(ACCOUNTS, clock, token_life_s=3600))

    run_virtual(main())


def by_name(name: str, password: str, project: str | None = None) -> Credentials:
    return Credentials(user_name=name, password=password, scope=None if project is None else Scope(project_name=project))


def test_a_password_gives_a_token_with_the_roles_of_the_scope() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, token = await identity.issue(by_name("demo", "demo-secret", "demo"))
        assert await identity.validate(secret) == token
        assert token.user == User(identity_of("user", "demo"), "demo")
        assert token.project == Project(identity_of("project", "demo"), "demo")
        assert token.roles == ("member", "reader")
        assert token.methods == ("password",)
        assert (token.expires_at - token.issued_at).total_seconds() == 3600

    run(test)


@pytest.mark.parametrize(
    "credentials",
    [
        by_name("demo", "wrong", "demo"),
        by_name("nobody", "demo-secret", "demo"),
        by_name("demo", "demo-secret", "admin"),
        by_name("demo", "demo-secret", "nowhere"),
        by_name("demo", "", "demo"),
        Credentials(token="no-token"),
        Credentials(),
    ],
)
def test_whoever_cannot_prove_it_gets_the_same_refusal(credentials: Credentials) -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        with pytest.raises(Unauthorized) as caught:
            await identity.issue(credentials)
        assert caught.value.message == "The request you have made requires authentication."

    run(test)


def test_an_unscoped_token_has_no_role_and_can_be_scoped() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, token = await identity.issue(by_name("demo", "demo-secret"))
        assert (token.project, token.roles) == (None, ())
        _, scoped = await identity.issue(Credentials(token=secret, scope=Scope(project_name="other")))
        assert (scoped.roles, scoped.methods) == (("reader",), ("token", "password"))
        assert [project.name for project in await identity.projects(token.user.id)] == ["demo", "other"]

    run(test)


def test_a_token_ends_with_its_time() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, _ = await identity.issue(by_name("admin", "secret", "admin"))
        await asyncio.sleep(3599)
        await identity.validate(secret)
        await asyncio.sleep(1)
        with pytest.raises(Unauthorized):
            await identity.validate(secret)

    run(test)


def test_a_token_made_from_a_token_ends_with_that() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, first = await identity.issue(by_name("admin", "secret"))
        await asyncio.sleep(1800)
        _, second = await identity.issue(Credentials(token=secret, scope=Scope(project_name="admin")))
        assert second.expires_at == first.expires_at

    run(test)


def test_a_revoked_token_is_no_token() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, _ = await identity.issue(by_name("admin", "secret", "admin"))
        await identity.revoke(secret)
        await identity.revoke(secret)
        with pytest.raises(Unauthorized):
            await identity.validate(secret)

    run(test)


def test_ended_tokens_do_not_pile_up() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, _ = await identity.issue(by_name("admin", "secret"))
        for _ in range(300):
            await identity.issue(Credentials(token=secret))
        await asyncio.sleep(3600)
        fresh, _ = await identity.issue(by_name("admin", "secret"))
        for _ in range(260):
            await identity.issue(Credentials(token=fresh))
        assert len(identity._tokens) < 300

    run(test)


def test_neither_passwords_nor_tokens_are_kept_or_shown() -> None:
    async def test(identity: EmbeddedIdentity) -> None:
        secret, token = await identity.issue(by_name("demo", "demo-secret", "demo"))
        kept = repr([vars(identity), token, ACCOUNTS, Credentials(user_name="demo", password="demo-secret", token=secret)])
        assert secret not in kept
        assert "demo-secret" not in kept

    run(test)
